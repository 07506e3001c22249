-- Withdraw keys softly: nobody is served their entries any more, but they may stand in for an origin that fails.
-- KEYS: for each key: entry, lease, softly withdrawn entry.
-- Returns: how many entries there were.
local withdrawn = 0
for i = 1, #KEYS, 3 do
    if redis.call('EXISTS', KEYS[i]) == 1 then
        redis.call('RENAME', KEYS[i], KEYS[i + 2])
        withdrawn = withdrawn + 1
    end
    redis.call('DEL', KEYS[i + 1])
end
return withdrawn
