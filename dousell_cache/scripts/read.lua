-- Read entries together with the time they have left and the versions of tags.
-- KEYS: entries, then versions of tags.
-- ARGV: 1 the number of entries.
-- Returns: {entries}, {milliseconds left}, {versions}.
local entries, left, versions = {}, {}, {}
local count = tonumber(ARGV[1])
for i = 1, count do
    entries[i] = redis.call('GET', KEYS[i])
    left[i] = redis.call('PTTL', KEYS[i])
end
for i = count + 1, #KEYS do
    versions[i - count] = redis.call('GET', KEYS[i])
end
return {entries, left, versions}
