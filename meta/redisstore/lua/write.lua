-- write: apply one batch of changes to one session, if the caller still owns it. Repeating it is harmless.
-- KEYS  1 s:{cid}  2 :sub  3 :cur  4 :out  5 :in
-- ARGV  1 epoch  2 packet ids reserved (0 = unchanged)  3 session expiry in ms ('' = unchanged)
--       4..11 for each of KEYS 2..5: number of fields to drop, number of fields to set
--       12..  for each of KEYS 2..5: the fields to drop, then field, value of those to set
-- Returns 1 done; 0 fenced; 2 unknown format. Nothing is changed unless 1.

local h = redis.call('HMGET', KEYS[1], 'f', 'e', 'o', 'n')
if not h[1] then return redis.call('EXISTS', KEYS[1]) * 2 end
if h[1] ~= '1' then return 2 end
if h[2] ~= ARGV[1] or not h[3] then return 0 end

if tonumber(ARGV[2]) > tonumber(h[4]) then redis.call('HSET', KEYS[1], 'n', ARGV[2]) end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'x', ARGV[3]) end

local at = 12
local function apply(command, key, n)
  local last = at + n - 1
  while at <= last do
    local stop = math.min(at + 199, last)
    redis.call(command, key, unpack(ARGV, at, stop))
    at = stop + 1
  end
end
for k = 2, 5 do
  apply('HDEL', KEYS[k], tonumber(ARGV[2 * k]))
  apply('HSET', KEYS[k], 2 * tonumber(ARGV[2 * k + 1]))
end
return 1
