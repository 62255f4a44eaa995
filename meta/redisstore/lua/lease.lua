-- Takes, prolongs or gives up a lease that has one owner at a time.
-- KEYS: 1 the lease. ARGV: 1 owner, 2 milliseconds, 0 to give it up.
-- Answers 1 if the owner has it now, else 0.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local value = redis.call('GET', KEYS[1])
if value then
  local ends, owner = string.match(value, '^(%d+) (.*)$')
  if owner and owner ~= ARGV[1] and tonumber(ends) > now then
    return 0
  end
end
if tonumber(ARGV[2]) <= 0 then
  redis.call('DEL', KEYS[1])
  return 0
end
redis.call('SET', KEYS[1], string.format('%.0f', now + ARGV[2]) .. ' ' .. ARGV[1], 'PX', ARGV[2])
return 1
