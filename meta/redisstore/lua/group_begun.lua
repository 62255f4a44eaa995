-- group_begun: a life that group_join handed out to be begun has begun.
-- KEYS  1 head  2 groups of the filter
-- ARGV  1 group  2 token of the life  3 brokers on which it began
-- Returns {1} done; {0} the life is not the caller's to begin any more; {2} unknown format.

local format = redis.call('HGET', KEYS[1], 'f')
if format and format ~= '1' then return {2} end
local life = redis.call('HGET', KEYS[2], ARGV[1])
if not life then return {0} end
local members, stage, token, since = string.match(life, '^1 (%d+) (%S+) (%S+) (%d+) ')
if not members then return {2} end
if token ~= ARGV[2] then return {0} end
if stage ~= 'r' then -- else an answer got lost and this is a repetition
  redis.call('HSET', KEYS[2], ARGV[1], '1 ' .. members .. ' r ' .. token .. ' ' .. since .. ' ' .. ARGV[3])
end
return {1}
