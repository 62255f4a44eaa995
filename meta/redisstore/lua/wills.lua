-- wills: what the scripts that know wills share. It stands before their text and is no script of its own.
--
-- The hash s:{cid}:w has `f` = '1' and three fields for each will id: m<id> the message, s<id> its state, p<id> the place
-- where a claimant was about to send it (absent before). It has nothing to do with the life of the session.
-- A state is '<kind> <ms> <claim> <placed>': kind 'd' is delayed until ms, unless the session is resumed before; 'm' is
-- kept back until ms, unless the client comes back before; 'c' is due and claimed until ms, by claim ('-' in the others).
-- placed is when the place was first recorded, ms, or 0.

local function int(n) return string.format('%.0f', n) end

-- clock is that of Redis, in ms.
local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- wills_parse reads a state into w; false when it has an unknown format.
local function wills_parse(w, state)
  local at
  w.kind, at, w.claim, w.placed = string.match(state or '', '^([dmc]) (%d+) (%S+) (%d+)$')
  w.at = tonumber(at)
  return w.at ~= nil
end

-- wills_read lists all wills of the hash; nil when one has an unknown format.
local function wills_read(key)
  local flat, all, by = redis.call('HGETALL', key), {}, {}
  if #flat == 0 then return all end
  for i = 1, #flat, 2 do
    local field, id = string.sub(flat[i], 1, 1), string.sub(flat[i], 2)
    if id == '' then
      if flat[i + 1] ~= '1' then return nil end
    else
      if not by[id] then
        by[id] = {id = id}
        all[#all + 1] = by[id]
      end
      by[id][field] = flat[i + 1]
    end
  end
  for i = 1, #all do
    local w = all[i]
    if not wills_parse(w, w.s) or string.byte(w.m or '', 1) ~= 1 then return nil end
  end
  return all
end

-- wills_save writes the state of a will, and its message when it is new.
local function wills_save(key, w, new)
  local state = w.kind .. ' ' .. int(w.at) .. ' ' .. w.claim .. ' ' .. w.placed
  if new then
    redis.call('HSET', key, 'f', '1', 'm' .. w.id, w.m, 's' .. w.id, state)
  else
    redis.call('HSET', key, 's' .. w.id, state)
  end
end

-- wills_claim gives a will to the caller.
local function wills_claim(w, claim, till)
  w.kind, w.at, w.claim = 'c', till, claim
end

-- wills_new is the will of a connection that ended at ms: delay and expiry (of the session) in ms, grace how long it is
-- kept back, nil if the client was not asked to go. It is due at once when its time is not after now.
local function wills_new(id, message, ms, delay, expiry, grace)
  local w = {id = id, m = message, kind = 'd', claim = '-', placed = '0'}
  w.at = ms + delay
  if expiry < 4294967295000 and expiry < delay then w.at = ms + expiry end
  if grace then
    w.kind = 'm'
    if w.at < ms + grace then w.at = ms + grace end
  end
  return w
end

-- wills_drop deletes a will; the hash goes with the last one.
local function wills_drop(key, w)
  redis.call('HDEL', key, 'm' .. w.id, 's' .. w.id, 'p' .. w.id)
  if redis.call('HLEN', key) == 1 then redis.call('DEL', key) end
end

-- wills_due is when the earliest of them asks to be looked at, nil without any.
local function wills_due(all)
  local first
  for i = 1, #all do
    if not first or all[i].at < first then first = all[i].at end
  end
  return first
end

-- wills_answer is what the caller is told of wills: id, claim, placed, place, message of each.
local function wills_answer(list)
  local out = {}
  for i = 1, #list do
    local w = list[i]
    out[#out + 1] = w.id
    out[#out + 1] = w.claim
    out[#out + 1] = w.placed
    out[#out + 1] = w.p or ''
    out[#out + 1] = w.m
  end
  return out
end

-- score is where a session stands in due: the earlier of its own time (text, false, '' or 'never') and of its wills'.
local function score(own, all)
  local at = wills_due(all)
  if own == 'never' or own == '' then own = false end
  if not at then return own or '' end
  if own and tonumber(own) < at then return own end
  return int(at)
end
