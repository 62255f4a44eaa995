-- due_move: move or remove entries, each only if nobody has moved it since it was seen.
-- KEYS  1 due
-- ARGV  client id, score seen, new score ('' = remove), ...
-- Returns how many were changed.

local n = 0
for i = 1, #ARGV, 3 do
  local seen = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if seen and tonumber(seen) == tonumber(ARGV[i + 1]) then
    if ARGV[i + 2] == '' then
      redis.call('ZREM', KEYS[1], ARGV[i])
    else
      redis.call('ZADD', KEYS[1], ARGV[i + 2], ARGV[i])
    end
    n = n + 1
  end
end
return n
