-- amend: change subscriptions and cursors of a session that nobody owns. Repeating it is harmless.
-- KEYS  1 s:{cid}  2 :sub  3 :cur
-- ARGV  1 epoch of the last owner  2..5 for each of KEYS 2..3: number of fields to drop, number of fields to set
--       6..  for each of KEYS 2..3: the fields to drop, then field, value of those to set
-- Returns 1 done; 0 fenced: it is owned, was owned since, or has ended; 2 unknown format. Nothing is changed unless 1.

local h = redis.call('HMGET', KEYS[1], 'f', 'e', 'o', 'q')
if not h[1] then return redis.call('EXISTS', KEYS[1]) * 2 end
if h[1] ~= '1' then return 2 end
if h[2] ~= ARGV[1] or h[3] or h[4] then return 0 end

local at = 6
local function apply(command, key, n)
  local last = at + n - 1
  while at <= last do
    local stop = math.min(at + 199, last)
    redis.call(command, key, unpack(ARGV, at, stop))
    at = stop + 1
  end
end
for k = 2, 3 do
  apply('HDEL', KEYS[k], tonumber(ARGV[2 * k - 2]))
  apply('HSET', KEYS[k], 2 * tonumber(ARGV[2 * k - 1]))
end
return 1
