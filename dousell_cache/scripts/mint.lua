-- Mint a fence, above every one that was minted before: a part of other scripts.
-- It is never below the server's time in microseconds, so that a counter which was lost, or came back from an older copy of
-- the data, does not matter: nobody is granted a lock a million times a second. Both numbers are exact in a double.
local function mint(counter, last, lives)
    local time = redis.call('TIME')
    local fence = math.max((tonumber(last) or 0) + 1, time[1] * 1000000 + time[2])
    redis.call('SET', counter, string.format('%.0f', fence), 'PX', lives)
    return fence
end

