-- Give tags new versions: every entry that carries an older one is withdrawn, whatever their number.
-- KEYS: versions of tags.
-- ARGV: 1 a random word, 2 milliseconds that versions live, 3 '1' to withdraw softly.
-- Returns: the number of tags.
for i = 1, #KEYS do
    local hard = ARGV[3] == '1' and string.match(redis.call('GET', KEYS[i]) or '', '^(.+)%.') or ARGV[1]
    local left = redis.call('PTTL', KEYS[i])
    redis.call('SET', KEYS[i], hard .. '.' .. ARGV[1], 'PX', math.max(left, tonumber(ARGV[2])))
end
return #KEYS
