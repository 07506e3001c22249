-- Give the turn to the first who waits, if anybody does, and wake him: a part of other scripts.
local function pass_on(queue, turn, bells, lives)
    local token = redis.call('LPOP', queue)
    if token then
        redis.call('SET', turn, token, 'PX', lives)
        redis.call('RPUSH', bells .. token, '')
        redis.call('PEXPIRE', bells .. token, lives)
    end
end

