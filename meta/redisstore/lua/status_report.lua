-- status_report: keep the figures of an instance for a while, and drop those of instances that are silent.
-- KEYS  1 status
-- ARGV  1 instance  2 for how many ms  3 figures
-- A value is '1', the end of its time in ms, a space and the figures. Values of another format are left alone.

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
	local stop = string.match(all[i + 1], '^1(%d+) ')
	if stop and tonumber(stop) <= now then
		redis.call('HDEL', KEYS[1], all[i])
	end
end
redis.call('HSET', KEYS[1], ARGV[1], '1' .. string.format('%.0f', now + ARGV[2]) .. ' ' .. ARGV[3])
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.max(ARGV[2], 86400000)))
return 1
