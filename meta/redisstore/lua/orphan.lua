-- orphan: detach a session from a dead instance as if its connection had been lost when the instance's lease ended.
-- KEYS  1 s:{cid}  2 :sub  3 :cur  4 :out  5 :in  6 :w
-- ARGV  1 instance  2 ticket under which the instance recorded the session  3 end of its lease, ms
--       4 ms after which the subscriptions of an ended session are handed out again
--       5 name of the caller's claims  6 ms for which a will that is due is claimed
-- Returns {code, score for due or '', sub, wills claimed}; code 0 not detached by this call, 1 ended by it, 4 detached
--         by it; {2} unknown format.
-- Ending and detaching raise the epoch, so that an owner that only seemed dead is fenced.

local h = redis.call('HMGET', KEYS[1], 'f', 'e', 'o', 'x', 'd', 'q', 't', 'h', 'c', 'w', 'wd')
if h[1] ~= '1' and (h[1] or redis.call('EXISTS', KEYS[1]) == 1) then return {2} end
local will, delay = h[10], tonumber(h[11])
local wills, claimed = wills_read(KEYS[6]), {}
if not wills or (will and (string.byte(will, 1) ~= 1 or not delay)) then return {2} end
if h[6] then return {0, score(h[8], wills), {}, {}} end
if not h[3] then return {0, score(h[5], wills), {}, {}} end
-- Another ticket is that of an Attach which died before its script, or of an instance that lives again.
if h[3] ~= ARGV[1] or (h[7] ~= ARGV[2] and tonumber(h[9]) > tonumber(ARGV[3])) then
  return {0, score(nil, wills), {}, {}}
end

local ms, stop = clock(), tonumber(ARGV[3])
local expiry, epoch = tonumber(h[4]), int(h[2] + 1)
local due, ended = stop + expiry, false
if expiry >= 4294967295000 then
  due = 'never'
else
  ended = expiry == 0 or due <= ms
  due = int(due)
end
local sub = {}
if ended then
  sub = redis.call('HVALS', KEYS[2])
  for i = 1, #sub do
    if string.byte(sub[i], 1) ~= 1 then return {2} end
  end
end

if will then
  local w = wills_new(h[7], will, stop, delay, expiry)
  wills[#wills + 1] = w
  if ended or w.at <= ms then
    wills_claim(w, ARGV[5], ms + ARGV[6])
    claimed[1] = w
  end
  wills_save(KEYS[6], w, true)
end
redis.call('HDEL', KEYS[1], 'o', 'd', 'w', 'wd')
if not ended then
  redis.call('HSET', KEYS[1], 'e', epoch, 'd', due, 'l', h[3])
  return {4, score(due, wills), {}, wills_answer(claimed)}
end
local again = int(ms + ARGV[4])
redis.call('HSET', KEYS[1], 'e', epoch, 'q', '1', 'h', again, 'l', h[3])
redis.call('DEL', KEYS[3], KEYS[4], KEYS[5])
return {1, score(again, wills), sub, wills_answer(claimed)}
