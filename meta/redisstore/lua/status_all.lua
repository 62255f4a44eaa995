-- status_all: the figures of all instances whose time is not over.
-- KEYS  1 status
-- Returns {instance, figures, ...} without what has a format that is not known here

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local all = redis.call('HGETALL', KEYS[1])
local live = {}
for i = 1, #all, 2 do
	local stop, figures = string.match(all[i + 1], '^1(%d+) (.*)$')
	if stop and tonumber(stop) > now then
		live[#live + 1] = all[i]
		live[#live + 1] = figures
	end
end
return live
