-- retain_walk: find entries of one index that match a filter, from a given point on. An entry is the byte 01 and the
-- topic with NUL in the place of '/'. NUL sorts before all other bytes, so entries stand in the order of the tree, each
-- level's branch in one piece: what cannot match is skipped branch by branch, with one look for each.
-- KEYS  1 ret:{r}:i
-- ARGV  1 where to begin, '' = at the start  2 topics to return at most  3 entries to look at at most  4 bytes of them
--       5 filter, with NUL in the place of '/'
-- Returns {1, entries looked at, where to go on, topics...}; {0, entries looked at, '', topics...} when that was all.
-- Topics are returned with NUL in the place of '/'.

local from, want, looks, bytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local filter, f, begins, stops, plus, depth = ARGV[5], {}, {}, {}, {}, 0
local at = 1
while at do -- the levels and where they stand
  local nul = string.find(filter, '\0', at, true)
  depth = depth + 1
  begins[depth], stops[depth] = at, (nul or #filter + 1) - 1
  f[depth] = string.sub(filter, at, stops[depth])
  plus[depth] = f[depth] == '+' and depth or plus[depth - 1] -- the last '+' up to here
  at = nul and nul + 1
end
local hash = f[depth] == '#'
if hash then depth = depth - 1 end
local wild = depth == 0 or f[1] == '+'

-- Strings are compared here, since Lua's '<' goes by the locale.
local sub, byte = string.sub, string.byte
local function less(a, b)
  local i, n = 1, math.min(#a, #b)
  while i + 15 <= n and sub(a, i, i + 15) == sub(b, i, i + 15) do i = i + 16 end
  for k = i, n do
    local x, y = byte(a, k, k), byte(b, k, k)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- The first place behind prefix (levels before i) where the filter can match.
local function descend(prefix, i)
  local j = i
  while j <= depth and f[j] ~= '+' do j = j + 1 end
  if j == i then return prefix end
  return prefix .. sub(filter, begins[i], stops[j - 1]) .. (j <= depth and '\0' or '')
end

local found, looked, size = {}, 0, 0
local function read(min, max, n)
  local entries = redis.call('ZRANGEBYLEX', KEYS[1], '[\1' .. min, max, 'LIMIT', 0, n)
  looked, size = looked + math.max(#entries, 1), size + #min
  for i, entry in ipairs(entries) do
    size = size + #entry
    entries[i] = sub(entry, 2)
  end
  return entries
end

-- The first entry from a place on. Some more are read with it, the more the oftener the next one was among them.
local block, used, ahead = {}, 0, 4
local function seek(min)
  local left = #block - used
  while used < #block do
    used = used + 1
    if not less(block[used], min) then
      ahead = math.min(2 * ahead, 32)
      return block[used]
    end
  end
  if left > 0 then ahead = 2 end
  block, used = read(min, '(\2', math.max(math.min(ahead, looks - looked), 1)), 1
  return block[1]
end

-- All below and behind a topic that matched a filter ending in '#', up to the end of its branch. Returns where to go on
-- inside the branch, or nil at its end.
local function branch(topic, max)
  local n = math.min(want - #found, looks - looked, 64)
  if n <= 0 then return topic .. '\0' end
  local entries = read(topic .. '\0', max, n)
  for _, entry in ipairs(entries) do found[#found + 1] = entry end
  if #entries == n then return entries[n] .. '\0' end
  return nil
end

if from == '' then from = descend('', 1) end
while from do
  if #found >= want or (used >= #block and (looked >= looks or size >= bytes)) then return {1, looked, from, unpack(found)} end
  local topic = seek(from)
  if not topic then
    from = nil
  elseif wild and byte(topic, 1, 1) == 36 then -- '$' [MQTT-4.7.2-1]
    from = '%' -- the byte behind '$'
  elseif depth == 0 then
    found[#found + 1] = topic
    if byte(topic, 1, 1) < 36 then
      from = branch(topic, '(\1$') or '%'
    else
      from = branch(topic, '(\2')
    end
  else
    local ends, at, i, match, next = {}, 1, 1, false, nil
    local function leave(level) -- behind the branch of the last '+' up to level
      local j = plus[level]
      return j and sub(topic, 1, ends[j]) .. '\1'
    end
    while true do
      local nul = string.find(topic, '\0', at, true)
      ends[i] = (nul or #topic + 1) - 1
      local level = sub(topic, at, ends[i])
      if f[i] ~= '+' and level ~= f[i] then
        if less(level, f[i]) then next = descend(sub(topic, 1, at - 1), i) else next = leave(i - 1) end
        break
      elseif i == depth then
        match = hash or not nul
        if not match then next = leave(i) end
        break
      elseif not nul then
        next = descend(topic .. '\0', i + 1)
        break
      end
      at, i = nul + 1, i + 1
    end
    if match then
      found[#found + 1] = topic
      if hash then next = branch(topic, '(\1' .. sub(topic, 1, ends[depth]) .. '\1') end
      next = next or leave(depth)
    end
    from = next
  end
end
return {0, looked, '', unpack(found)}
