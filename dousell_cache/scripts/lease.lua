-- Read an entry or get the right to load it: what came since the caller looked, or the lease, or who has it.
-- KEYS: 1 entry, 2 lease, 3 softly withdrawn entry, 4 sign that somebody waits; then the versions of the tags.
-- ARGV: 1 token of the load, 2 milliseconds of the lease, 3 last bytes of the entry that the caller will not have ('' none,
--       '*' any), 4 milliseconds that versions live, 5 '1' if the caller has a value to fall back on, 6 '1' if the caller
--       will wait to be woken.
-- Returns: 'entry', entry, milliseconds left, {versions}
--       or 'lease', softly withdrawn entry, {versions}
--       or 'failed', softly withdrawn entry, {versions}: the last load failed, and its back-off is not over
--       or 'wait', token of the load under way, milliseconds its lease has left.
local token, unwanted = ARGV[1], ARGV[3]

local function versions(missing)
    local found = {}
    for i = 5, #KEYS do
        local version = redis.call('GET', KEYS[i])
        if missing and not version then
            version = missing
            redis.call('SET', KEYS[i], version, 'PX', ARGV[4])
        elseif missing and redis.call('PTTL', KEYS[i]) < tonumber(ARGV[4]) / 2 then
            redis.call('PEXPIRE', KEYS[i], ARGV[4])
        end
        found[i - 4] = version
    end
    return found
end

if unwanted ~= '*' then
    local ending = redis.pcall('GETRANGE', KEYS[1], -math.max(#unwanted, 1), -1) -- what is no string is no entry
    if type(ending) == 'string' and ending ~= '' and ending ~= unwanted then
        return {'entry', redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1]), versions()}
    end
end

local holder = redis.call('GET', KEYS[2])
local old = redis.call('GET', KEYS[3])
if holder == 'failed' and unwanted ~= '*' and (old or ARGV[5] == '1') then
    return {'failed', old, versions()}
end
if holder and holder ~= 'failed' and holder ~= token then
    local left = redis.call('PTTL', KEYS[2])
    if ARGV[6] == '1' and left > 0 then
        redis.call('SET', KEYS[4], '', 'PX', left + 1000)
    end
    return {'wait', holder, left}
end
redis.call('SET', KEYS[2], token, 'PX', ARGV[2])
return {'lease', old, versions(token .. '.' .. token)}
