-- Move the end of a lock outwards, if it is still this token's; never make a lost one again. Never inwards: a command that
-- is late must not take back what a later one gave.
-- KEYS: 1 lock, 2 fence.
-- ARGV: 1 token of the acquisition, 2 milliseconds of the lock, 3 of the fence counter, 4 a number that the fence must be
--       above, or '' to keep it.
-- Returns: the fence, or nothing if the lock is lost.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return false
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
if ARGV[4] == '' then
    redis.call('PEXPIRE', KEYS[2], ARGV[3])
    return 0
end
return mint(KEYS[2], math.max(tonumber(redis.call('GET', KEYS[2])) or 0, tonumber(ARGV[4])), ARGV[3])
