-- retain_read: read the retained messages of topics that the index named. An entry whose message is gone (expired, or
-- evicted) leaves the index.
-- KEYS  1 ret:{r}:i  2 ret:{r}:x  3.. ret:{r}:v:<topic>
-- ARGV  1 bytes to return before it stops  2.. the entry of the index for each of KEYS 3..
-- Returns a value, or nil, for each topic up to where it stopped, at least one.

local values, bytes = {}, tonumber(ARGV[1])
for k = 3, #KEYS do
  local value = redis.call('GET', KEYS[k])
  values[#values + 1] = value
  if value then
    bytes = bytes - #value
    if bytes <= 0 then break end
  else
    redis.call('ZREM', KEYS[1], ARGV[k - 1])
    redis.call('ZREM', KEYS[2], ARGV[k - 1])
  end
end
return values
