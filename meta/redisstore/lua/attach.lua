-- attach: make the caller the owner of a session and return the whole of it.
-- KEYS  1 s:{cid}  2 :sub  3 :cur  4 :out  5 :in
-- ARGV  1 instance  2 ticket of this request  3 clean start 0/1  4 session expiry in ms  5 protocol  6 username
--       7 address
-- Returns {1, epoch, present, previous instance, previous epoch, previous ticket, packet ids, sub, cur, out, in,
--         discarded sub}; {2} when a value has an unknown format: then nothing was changed.
-- A repeat of the same request (same ticket) answers what the first run did, except for the discarded subscriptions.

local function values(key)
  local all = redis.call('HVALS', key)
  for i = 1, #all do
    if string.byte(all[i], 1) ~= 1 then return nil end
  end
  return all
end

local h = redis.call('HMGET', KEYS[1], 'f', 'e', 'o', 'x', 'd', 'q', 't', 'n', 'r', 'pi', 'pe', 'pt')
local format, epoch, owner, expiry, due, ended, ticket, ids = h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8]
local exists = format or redis.call('EXISTS', KEYS[1]) == 1
if exists and (format ~= '1' or not tonumber(epoch)) then return {2} end
local sub, cur, out, inn = values(KEYS[2]), values(KEYS[3]), values(KEYS[4]), values(KEYS[5])
if not (sub and cur and out and inn) then return {2} end

if owner == ARGV[1] and ticket == ARGV[2] then
  return {1, epoch, tonumber(h[9]), h[10], h[11], h[12], ids, sub, cur, out, inn, {}}
end

local t = redis.call('TIME')
local ms = t[1] * 1000 + math.floor(t[2] / 1000)
local new = t[1] * 1000000 + t[2]
if exists and tonumber(epoch) >= new then new = tonumber(epoch) + 1 end
new = string.format('%.0f', new)

local pi, pe, pt = '', '', ''
if owner then pi, pe, pt = owner, epoch, ticket end

local present = 1
if not exists or ARGV[3] == '1' or ended or (owner and expiry == '0') or
    (due and due ~= 'never' and tonumber(due) <= ms) then
  present = 0
end

local discarded = {}
if present == 0 then
  discarded, sub, cur, out, inn, ids = sub, {}, {}, {}, {}, '0'
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5])
else
  redis.call('HDEL', KEYS[1], 'd')
end
redis.call('HSET', KEYS[1], 'f', '1', 'e', new, 'o', ARGV[1], 'x', ARGV[4], 't', ARGV[2], 'n', ids, 'r', present,
  'pi', pi, 'pe', pe, 'pt', pt, 'p', ARGV[5], 'u', ARGV[6], 'a', ARGV[7], 'c', string.format('%.0f', ms))
return {1, new, present, pi, pe, pt, ids, sub, cur, out, inn, discarded}
