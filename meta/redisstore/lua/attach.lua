-- attach: make the caller the owner of a session and return the whole of it.
-- KEYS  1 s:{cid}  2 :sub  3 :cur  4 :out  5 :in  6 :w
-- ARGV  1 instance  2 ticket of this request  3 clean start 0/1  4 session expiry in ms  5 protocol  6 username
--       7 address  8 will message ('' = no will)  9 will delay in ms  10 ms for which wills that are due are claimed
--       11 wills that one client may have unpublished before it cannot attach with another one
--       12 takeovers granted in quick succession, 0 = any number  13 ms for which each counts
--       14 ms between the last one and the first one too many, twice that for the second, and so on  15 the most of it
--       16 whom the session belongs to: '=' and a user name, '' nobody in particular, '*' whomever it may belong to
-- Returns {1, epoch, present, previous instance, previous epoch, previous ticket, packet ids, sub, cur, out, in,
--         discarded sub, score for due or '', wills claimed}. {2} when a value has an unknown format;
--         {3, owner, ticket} when there are too many wills; {4, owner, ticket, ms to wait, takeovers that count, epoch,
--         address} for a takeover that comes too soon; {5, owner, ticket} for a session that belongs to somebody else: then
--         nothing was changed.
-- A repeat of the same request (same ticket) answers what the first run did, except for the discarded subscriptions.

local function values(key)
  local all = redis.call('HVALS', key)
  for i = 1, #all do
    if string.byte(all[i], 1) ~= 1 then return nil end
  end
  return all
end

local h = redis.call('HMGET', KEYS[1], 'f', 'e', 'o', 'x', 'd', 'q', 't', 'n', 'r', 'pi', 'pe', 'pt', 'w', 'wd',
  'k', 'kt', 'a', 'b')
local format, epoch, owner, expiry, due, ended, ticket, ids = h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8]
local will, delay = h[13], tonumber(h[14])
local exists = format or redis.call('EXISTS', KEYS[1]) == 1
if exists and (format ~= '1' or not tonumber(epoch)) then return {2} end
local sub, cur, out, inn = values(KEYS[2]), values(KEYS[3]), values(KEYS[4]), values(KEYS[5])
if not (sub and cur and out and inn) then return {2} end
local wills, claimed = wills_read(KEYS[6]), {}
if not wills or (will and (string.byte(will, 1) ~= 1 or not delay)) then return {2} end

if owner == ARGV[1] and ticket == ARGV[2] then
  for i = 1, #wills do
    if wills[i].claim == ticket and wills[i].placed == '0' then claimed[#claimed + 1] = wills[i] end
  end
  return {1, epoch, tonumber(h[9]), h[10], h[11], h[12], ids, sub, cur, out, inn, {}, score(nil, wills),
    wills_answer(claimed)}
end
if ARGV[8] ~= '' and #wills >= tonumber(ARGV[11]) then return {3, owner or '', ticket or ''} end

local t = redis.call('TIME')
local ms = t[1] * 1000 + math.floor(t[2] / 1000)

local over = ended or (due and due ~= 'never' and tonumber(due) <= ms)
if exists and not over and h[18] and ARGV[16] ~= '*' and h[18] ~= ARGV[16] then return {5, owner or '', ticket or ''} end

-- How many takeovers count; after a step back of the clock none does.
local count, granted = tonumber(h[15] or '0'), tonumber(ARGV[12])
if owner then
  local since = ms - tonumber(h[16] or '0')
  if since < 0 then count = 0 end
  count = math.max(0, count - math.floor(since / ARGV[13]))
  if granted > 0 and count >= granted then
    local wait = math.min(ARGV[14] * 2 ^ (count - granted), tonumber(ARGV[15])) - since
    if since >= 0 and wait > 0 then
      return {4, owner, ticket, int(math.ceil(wait)), count, epoch, h[17] or ''}
    end
  end
  count = math.min(count + 1, granted + 6)
end
-- An epoch that a failover has lost must not come again, also where the clock has gone back: some of it is of the ticket.
local salt = (tonumber(string.sub(ARGV[2], 3, 8), 16) or 0) % 4096
local new = t[1] * 1000000 + t[2] + salt
if exists and tonumber(epoch) >= new then new = tonumber(epoch) + 1 + salt end
new = int(new)

local pi, pe, pt = '', '', ''
if owner then pi, pe, pt = owner, epoch, ticket end

local present = 1
if not exists or ARGV[3] == '1' or over or (owner and expiry == '0') then
  present = 0
end

-- Earlier wills: what was claimed stays so; the return of the client in time deletes the one that was kept back, that of
-- the session the one that was delayed; the others are due now [MQTT-3.1.3-9].
local function claim(w, is_new)
  wills_claim(w, ARGV[2], ms + ARGV[10])
  wills_save(KEYS[6], w, is_new)
  claimed[#claimed + 1] = w
end
local left = {}
for i = 1, #wills do
  local w = wills[i]
  if w.kind == 'c' then
    left[#left + 1] = w
  elseif w.at > ms and (w.kind == 'm' or present == 1) then
    wills_drop(KEYS[6], w)
  else
    claim(w, false)
    left[#left + 1] = w
  end
end
-- The will of the connection that is taken over [MQTT-3.1.4-3].
if owner and will and (present == 0 or delay == 0) then
  local w = wills_new(ticket, will, ms, 0, 0)
  claim(w, true)
  left[#left + 1] = w
end

local discarded = {}
if present == 0 then
  discarded, sub, cur, out, inn, ids = sub, {}, {}, {}, {}, '0'
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5])
else
  redis.call('HDEL', KEYS[1], 'd', 'w', 'wd')
end
redis.call('HSET', KEYS[1], 'f', '1', 'e', new, 'o', ARGV[1], 'x', ARGV[4], 't', ARGV[2], 'n', ids, 'r', present,
  'pi', pi, 'pe', pe, 'pt', pt, 'p', ARGV[5], 'u', ARGV[6], 'a', ARGV[7], 'c', int(ms))
if string.sub(ARGV[16], 1, 1) == '=' then redis.call('HSET', KEYS[1], 'b', ARGV[16]) end
if owner then redis.call('HSET', KEYS[1], 'k', int(count), 'kt', int(ms)) end
if ARGV[8] ~= '' then redis.call('HSET', KEYS[1], 'w', ARGV[8], 'wd', ARGV[9]) end
return {1, new, present, pi, pe, pt, ids, sub, cur, out, inn, discarded, score(nil, left), wills_answer(claimed)}
