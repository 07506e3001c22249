-- Keep a lease for longer, if it is still this load's.
-- KEYS: 1 lease.
-- ARGV: 1 token of the load, 2 milliseconds.
-- Returns: 1 if it was, else 0.
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
