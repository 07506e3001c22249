-- Add one process's figures to those of the hour, once however often they arrive. No command here moves the server's count
-- of hits and misses: what watches must not change what it watches.
-- KEYS: 1 figures of the hour, 2 number of the last batch of this process.
-- ARGV: 1 number of this batch, 2 milliseconds that figures live, 3 that the number lives; then fields and what to add.
-- Returns: 1 if they were added, 0 if they had been: the reply was lost.
redis.call('SET', KEYS[2], 0, 'PX', ARGV[3], 'NX')
if redis.call('INCRBY', KEYS[2], 0) >= tonumber(ARGV[1]) then -- a GET would count as a lookup
    return 0
end
for i = 4, #ARGV, 2 do
    redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3]) -- last: what was refused above has not arrived
return 1
