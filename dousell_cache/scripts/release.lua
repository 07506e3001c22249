-- Let go of all that is this token's: the lock, its place in the queue, its turn; and wake who is next.
-- KEYS: 1 lock, 2 queue, 3 turn, 4 what the names of bells begin with, 5 sign that this token was given up.
-- ARGV: 1 token of the acquisition, 2 milliseconds of a turn, 3 of the sign, or '0' if nothing of it can arrive any more.
-- Returns: 1 if the lock was this token's, else 0.
local token = ARGV[1]
local mine = redis.call('GET', KEYS[1]) == token
if mine then
    redis.call('DEL', KEYS[1])
end
if ARGV[3] ~= '0' then
    redis.call('SET', KEYS[5], '', 'PX', ARGV[3])
end
if redis.call('GET', KEYS[3]) == token then
    redis.call('DEL', KEYS[3], KEYS[4] .. token)
end
redis.call('LREM', KEYS[2], 0, token)
if redis.call('EXISTS', KEYS[1], KEYS[3]) == 0 then
    pass_on(KEYS[2], KEYS[3], KEYS[4], ARGV[2])
end
return mine and 1 or 0
