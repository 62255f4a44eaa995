-- inst_forget: remove sessions from an instance's list, each only if it was not recorded anew since it was seen.
-- KEYS  1 inst:{id}:s
-- ARGV  client id, ticket, ...
-- Returns how many are left.

for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then redis.call('HDEL', KEYS[1], ARGV[i]) end
end
return redis.call('HLEN', KEYS[1])
