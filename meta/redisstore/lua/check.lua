-- check: what changed in the set of held wildcard filters after a position.
-- KEYS  1 head  2 change log
-- ARGV  1 version  2 token of the position
-- Returns {1, version, token, entries after the position}; {2} unknown format; {3, version, token} the log does not
--         reach back so far; {4, version, token} the log does not continue the position: it was rolled back.

local head = redis.call('HMGET', KEYS[1], 'f', 'n', 't')
if head[1] and head[1] ~= '1' then return {2} end
local n, token, from = tonumber(head[2] or 0), head[3] or '', tonumber(ARGV[1])
local version = string.format('%.0f', n)
if from > n or (from == n and token ~= ARGV[2]) then return {4, version, token} end
if from == n then return {1, version, token, {}} end
if n - from > redis.call('LLEN', KEYS[2]) then return {3, version, token} end

local entries = redis.call('LRANGE', KEYS[2], from - n, -1)
local v, previous = string.match(entries[1], '^1 (%d+) %S+ (%S+) ')
if not v then return {2} end
if tonumber(v) ~= from + 1 or previous ~= (ARGV[2] == '' and '-' or ARGV[2]) then return {4, version, token} end
return {1, version, token, entries}
