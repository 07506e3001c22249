-- Let go of all that is this token's: the lock, its place in the queue, its turn; and wake who is next.
-- KEYS: 1 lock, 2 queue, 3 turn, 4 what the names of bells begin with, 5 sign that this token was given up.
-- ARGV: 1 token of the acquisition, 2 milliseconds of a turn, 3 of the sign, or '0' if nothing of it can arrive any more,
--       4 '1' if it may have a place in the queue, or the turn.
-- Returns: 1 if the lock was this token's, else 0.
local token = ARGV[1]
local holder = redis.call('GET', KEYS[1])
if ARGV[3] ~= '0' then
    redis.call('SET', KEYS[5], '', 'PX', ARGV[3])
end
if ARGV[4] == '1' then
    redis.call('LREM', KEYS[2], 0, token)
    if redis.call('GET', KEYS[3]) == token then
        redis.call('DEL', KEYS[3], KEYS[4] .. token)
    end
end
if holder == token then
    redis.call('DEL', KEYS[1]) -- and nobody has the turn while the lock is held
    pass_on(KEYS[2], KEYS[3], KEYS[4], ARGV[2])
    return 1
end
if not holder and redis.call('EXISTS', KEYS[3]) == 0 then
    pass_on(KEYS[2], KEYS[3], KEYS[4], ARGV[2])
end
return 0
