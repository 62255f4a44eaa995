-- detach: end the ownership of a session; without an expiry interval the session ends too. Repeating it is harmless.
-- KEYS  1 s:{cid}  2 :sub  3 :cur  4 :out  5 :in  6 :w
-- ARGV  1 epoch  2 ms after which the subscriptions of an ended session are handed out again
--       3 how the connection ended: 0 lost, 1 clean, 2 moved  4 ms for which the will of a moved client is kept back
--       5 ms for which a will that is due is claimed
-- Returns {1, instance, ticket, score for due or '', ended 0/1, sub of an ended session, wills claimed}; {0} fenced;
--         {2} unknown format. Nothing is changed unless 1. A repeat claims again what it claimed, until that was placed.

local h = redis.call('HMGET', KEYS[1], 'f', 'e', 'o', 'x', 'd', 'q', 't', 'l', 'h', 'w', 'wd')
if not h[1] then return {redis.call('EXISTS', KEYS[1]) * 2} end
if h[1] ~= '1' then return {2} end
if h[2] ~= ARGV[1] then return {0} end
local owner, expiry, ticket, will, delay = h[3], tonumber(h[4]), h[7], h[10], tonumber(h[11])
local wills, claimed = wills_read(KEYS[6]), {}
if not wills or (will and (string.byte(will, 1) ~= 1 or not delay)) then return {2} end

local ms, mine = clock(), 'd.' .. ARGV[1]
local function claim(w, new)
  wills_claim(w, mine, ms + ARGV[5])
  wills_save(KEYS[6], w, new)
  claimed[#claimed + 1] = w
end

if not owner then
  for i = 1, #wills do
    if wills[i].claim == mine and wills[i].placed == '0' then claim(wills[i], false) end
  end
  if h[6] then
    return {1, h[8] or '', ticket, score(h[9], wills), 1, redis.call('HVALS', KEYS[2]), wills_answer(claimed)}
  end
  return {1, h[8] or '', ticket, score(h[5], wills), 0, {}, wills_answer(claimed)}
end

local sub = {}
if expiry == 0 then
  sub = redis.call('HVALS', KEYS[2])
  for i = 1, #sub do
    if string.byte(sub[i], 1) ~= 1 then return {2} end
  end
end
if will then
  if ARGV[3] ~= '1' then
    local w = wills_new(ticket, will, ms, delay, expiry, ARGV[3] == '2' and tonumber(ARGV[4]) or nil)
    wills[#wills + 1] = w
    if w.at <= ms then claim(w, true) else wills_save(KEYS[6], w, true) end
  end
  redis.call('HDEL', KEYS[1], 'w', 'wd')
end

redis.call('HDEL', KEYS[1], 'o')
if expiry > 0 then
  local due = 'never'
  if expiry < 4294967295000 then due = int(ms + expiry) end
  redis.call('HSET', KEYS[1], 'd', due, 'l', owner)
  return {1, owner, ticket, score(due, wills), 0, {}, wills_answer(claimed)}
end
redis.call('HSET', KEYS[1], 'q', '1', 'l', owner)
redis.call('DEL', KEYS[3], KEYS[4], KEYS[5])
if #sub == 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {1, owner, ticket, score(nil, wills), 1, sub, wills_answer(claimed)}
end
local again = int(ms + ARGV[2])
redis.call('HSET', KEYS[1], 'h', again)
return {1, owner, ticket, score(again, wills), 1, sub, wills_answer(claimed)}
