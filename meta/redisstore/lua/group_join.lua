-- group_join: the life of a group that has members. One that nobody has begun, or whose beginning has taken longer than
-- its lease, is the caller's to begin, under a new token.
-- KEYS  1 head  2 groups of the filter
-- ARGV  1 group  2 new token  3 ms of the lease  4 groups that the filter may have
-- Returns {1, life} for a life that has begun; {3, life} for one that the caller is to begin; {4} somebody else is
--         beginning it; {0} the group has no member; {5} the filter has too many groups; {2} unknown format.
-- A life is "1 members stage token since brokers"; stage is n (nobody has begun it), b<ms> (to be begun by then), r (begun).

local format = redis.call('HGET', KEYS[1], 'f')
if format and format ~= '1' then return {2} end
local life = redis.call('HGET', KEYS[2], ARGV[1])
if not life then return {0} end
local members, stage = string.match(life, '^1 (%d+) (%S+) ')
if not members then return {2} end
if stage == 'r' then return {1, life} end

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local until_ms = tonumber(string.match(stage, '^b(%d+)$') or 0)
if until_ms > now then return {4} end
if redis.call('HLEN', KEYS[2]) > tonumber(ARGV[4]) then return {5} end
life = string.format('1 %s b%.0f %s %.0f ', members, now + ARGV[3], ARGV[2], now)
redis.call('HSET', KEYS[2], ARGV[1], life)
return {3, life}
