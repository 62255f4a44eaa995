-- group_renew: the life that a group has; where none has begun, as after a failover that lost it, the caller's is put back.
-- KEYS  1 head  2 groups of the filter
-- ARGV  1 group  2 token of the life  3 since  4 brokers
-- Returns {1, life}; {0} the group has no member; {2} unknown format.

local format = redis.call('HGET', KEYS[1], 'f')
if format and format ~= '1' then return {2} end
local life = redis.call('HGET', KEYS[2], ARGV[1])
if not life then return {0} end
local members, stage = string.match(life, '^1 (%d+) (%S+) ')
if not members then return {2} end
if stage ~= 'r' then
  life = '1 ' .. members .. ' r ' .. ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4]
  redis.call('HSET', KEYS[2], ARGV[1], life)
end
return {1, life}
