-- Store entries whatever is there, tagged with the versions as they stand, and withdraw the loads under way.
-- KEYS: for each entry: entry, lease, softly withdrawn entry; then the versions of the tags.
-- ARGV: 1 the number of entries, 2 a random word for versions that are missing, 3 milliseconds that versions live,
--       4 members of the tags' JSON object that are known already; for each entry: milliseconds, its JSON up to the tags'
--       object, its JSON after it; then the tags' names as JSON.
-- Returns: the number of entries.
local count, members = tonumber(ARGV[1]), {ARGV[4]}
for i = 3 * count + 1, #KEYS do
    local version = redis.call('GET', KEYS[i])
    if not version then
        version = ARGV[2] .. '.' .. ARGV[2]
        redis.call('SET', KEYS[i], version, 'PX', ARGV[3])
    elseif redis.call('PTTL', KEYS[i]) < tonumber(ARGV[3]) / 2 then
        redis.call('PEXPIRE', KEYS[i], ARGV[3])
    end
    members[#members + 1] = ARGV[4 + i] .. ':"' .. version .. '"'
end
if ARGV[4] == '' then
    table.remove(members, 1)
end
local tags = '{' .. table.concat(members, ',') .. '}'
for i = 1, count do
    local entry, given = 3 * i - 2, 3 * i + 2
    redis.call('SET', KEYS[entry], ARGV[given + 1] .. tags .. ARGV[given + 2], 'PX', ARGV[given])
    redis.call('DEL', KEYS[entry + 1], KEYS[entry + 2])
end
return count
