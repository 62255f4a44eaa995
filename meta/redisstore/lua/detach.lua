-- detach: end the ownership of a session; without an expiry interval the session ends too. Repeating it is harmless.
-- KEYS  1 s:{cid}  2 :sub  3 :cur  4 :out  5 :in
-- ARGV  1 epoch  2 ms after which the subscriptions of an ended session are handed out again
-- Returns {1, instance, ticket, score for due or '', ended 0/1, sub of an ended session}; {0} fenced;
--         {2} unknown format. Nothing is changed unless 1.

local h = redis.call('HMGET', KEYS[1], 'f', 'e', 'o', 'x', 'd', 'q', 't', 'l', 'h')
if not h[1] then return {redis.call('EXISTS', KEYS[1]) * 2} end
if h[1] ~= '1' then return {2} end
if h[2] ~= ARGV[1] then return {0} end
local owner, expiry, ticket = h[3], tonumber(h[4]), h[7]

local function score(due)
  if not due or due == 'never' then return '' end
  return due
end
if h[6] then return {1, h[8] or '', ticket, score(h[9]), 1, redis.call('HVALS', KEYS[2])} end
if not owner then return {1, h[8] or '', ticket, score(h[5]), 0, {}} end

local t = redis.call('TIME')
local ms = t[1] * 1000 + math.floor(t[2] / 1000)
if expiry > 0 then
  local due = 'never'
  if expiry < 4294967295000 then due = string.format('%.0f', ms + expiry) end
  redis.call('HSET', KEYS[1], 'd', due, 'l', owner)
  redis.call('HDEL', KEYS[1], 'o')
  return {1, owner, ticket, score(due), 0, {}}
end

local sub = redis.call('HVALS', KEYS[2])
for i = 1, #sub do
  if string.byte(sub[i], 1) ~= 1 then return {2} end
end
redis.call('HSET', KEYS[1], 'q', '1', 'l', owner)
redis.call('HDEL', KEYS[1], 'o')
redis.call('DEL', KEYS[3], KEYS[4], KEYS[5])
if #sub == 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {1, owner, ticket, '', 1, sub}
end
local again = string.format('%.0f', ms + ARGV[2])
redis.call('HSET', KEYS[1], 'h', again)
return {1, owner, ticket, again, 1, sub}
