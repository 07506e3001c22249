-- Grant a lock if it is free and nobody else's turn, and mint its fence in the same step; else queue, if the caller waits.
-- KEYS: 1 lock, 2 fence, 3 queue, 4 turn, 5 what the names of bells begin with, 6 sign that this token takes nothing more.
-- ARGV: 1 token of the acquisition, 2 milliseconds of the lock, 3 of the fence counter, 4 of a turn, 5 of the queue, or '0' if
--       the caller does not queue, 6 '1' if the caller lets those pass who wait, 7 milliseconds of the sign if an earlier
--       command of this token may be late, else '0'.
-- Returns: 'granted', fence: now, or again if the reply to the first grant was lost
--       or 'busy', milliseconds that the holder, or who is next, has left (-1: no end)
--       or 'gone', 0: this is a command that was late, or the lock was granted and lost meanwhile.
local token, queues = ARGV[1], ARGV[5] ~= '0'
local found = redis.call('MGET', KEYS[1], KEYS[2], KEYS[4], KEYS[6])
local holder, last, turn = found[1], found[2], found[3]

local function granted()
    if ARGV[7] ~= '0' then -- lest what is late make the lock again once it is lost
        redis.call('SET', KEYS[6], '', 'PX', ARGV[7])
    end
    return {'granted', mint(KEYS[2], last, ARGV[3])}
end

if holder == token then
    if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then -- the caller counts from this command, not from a late one
        redis.call('PEXPIRE', KEYS[1], ARGV[2])
    end
    return granted()
end
if found[4] then
    return {'gone', 0}
end
if not holder then
    local first = turn or ARGV[6] == '1' and redis.call('LINDEX', KEYS[3], 0)
    if not first or first == token then
        redis.call('SET', KEYS[1], token, 'PX', ARGV[2])
        if queues then
            redis.call('LREM', KEYS[3], 0, token)
            redis.call('DEL', KEYS[4], KEYS[5] .. token)
        end
        return granted()
    end
    if not turn then -- the lock ended by itself, so nobody has passed it on
        pass_on(KEYS[3], KEYS[4], KEYS[5], ARGV[4])
        turn = first
    end
end
if queues and turn ~= token and not redis.call('LPOS', KEYS[3], token) then
    redis.call('RPUSH', KEYS[3], token)
end
if queues and redis.call('PTTL', KEYS[3]) < tonumber(ARGV[5]) then
    redis.call('PEXPIRE', KEYS[3], ARGV[5])
end
return {'busy', redis.call('PTTL', holder and KEYS[1] or KEYS[4])}
