-- Read the versions of tags, and give one to those that have none.
-- KEYS: versions of tags.
-- ARGV: 1 a random word, 2 milliseconds that versions live.
-- Returns: the versions.
local versions = {}
for i = 1, #KEYS do
    versions[i] = redis.call('GET', KEYS[i])
    if not versions[i] then
        versions[i] = ARGV[1] .. '.' .. ARGV[1]
        redis.call('SET', KEYS[i], versions[i], 'PX', ARGV[2])
    elseif redis.call('PTTL', KEYS[i]) < tonumber(ARGV[2]) / 2 then
        redis.call('PEXPIRE', KEYS[i], ARGV[2])
    end
end
return versions
