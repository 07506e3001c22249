-- End a load: store what it brought if it still has the lease and no tag moved, let go of the lease, wake who waits.
-- KEYS: 1 entry, 2 lease, 3 softly withdrawn entry, 4 sign that somebody waits, 5 bell; then the versions
--       of the tags.
-- ARGV: 1 token of the load, 2 'store', 'release' or 'fail', 3 milliseconds: of the entry, or of the back-off,
--       4 the entry; then the versions as they stood when the lease was granted.
-- Returns: 1 if the load had the lease all the time and no tag moved, else 0.
local mine = redis.call('GET', KEYS[2]) == ARGV[1]
local unmoved = mine
for i = 6, #KEYS do
    unmoved = unmoved and redis.call('GET', KEYS[i]) == ARGV[i - 1]
end
if mine and ARGV[2] == 'fail' then
    redis.call('SET', KEYS[2], 'failed', 'PX', ARGV[3])
elseif mine then
    redis.call('DEL', KEYS[2])
end
if unmoved and ARGV[2] == 'store' then
    redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[3])
    redis.call('DEL', KEYS[3])
end
if redis.call('EXISTS', KEYS[4]) == 1 then
    redis.call('RPUSH', KEYS[5], '') -- stays for who asked before this and waits after it
    redis.call('PEXPIRE', KEYS[5], 1000)
end
return unmoved and 1 or 0
