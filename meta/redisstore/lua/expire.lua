-- expire: end a detached session whose time has come, or hand out again an ended one that was not settled in time; and
-- hand out wills that are due and not claimed, or not any more.
-- KEYS  1 s:{cid}  2 :sub  3 :cur  4 :out  5 :in  6 :w
-- ARGV  1 now in ms ('' = the clock of Redis)
--       2 ms after which the subscriptions of an ended session are handed out again
--       3 name of the caller's claims  4 ms for which a will that is due is claimed
-- Returns {code, score for due or '' = not to be looked at, sub, wills claimed}; code 0 the session goes on or there is
--         none, 1 it is ended; {2} unknown format: then nothing was changed.

local h = redis.call('HMGET', KEYS[1], 'f', 'e', 'o', 'd', 'q', 'h')
if h[1] ~= '1' and (h[1] or redis.call('EXISTS', KEYS[1]) == 1) then return {2} end
local wills, claimed = wills_read(KEYS[6]), {}
if not wills then return {2} end
local now = tonumber(ARGV[1]) or clock()

local due, sub, code = h[4], {}, 0
if h[5] then due = h[6] end
if h[3] then due = nil end
if due and due ~= 'never' and tonumber(due) <= now then
  sub = redis.call('HVALS', KEYS[2])
  for i = 1, #sub do
    if string.byte(sub[i], 1) ~= 1 then return {2} end
  end
  code, due = 1, int(now + ARGV[2])
  redis.call('HSET', KEYS[1], 'q', '1', 'h', due)
  if not h[5] then
    redis.call('HSET', KEYS[1], 'e', int(h[2] + 1))
    redis.call('HDEL', KEYS[1], 'd')
    redis.call('DEL', KEYS[3], KEYS[4], KEYS[5])
  end
end

for i = 1, #wills do
  local w = wills[i]
  if w.at <= now then
    wills_claim(w, ARGV[3], now + ARGV[4])
    wills_save(KEYS[6], w, false)
    claimed[#claimed + 1] = w
  end
end
return {code, score(due, wills), sub, wills_answer(claimed)}
