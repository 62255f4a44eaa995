-- will_due: when the earliest of a client's wills asks to be looked at.
-- KEYS  1 s:{cid}:w
-- Returns ms, '0' when there is none or one has an unknown format.

local wills = wills_read(KEYS[1])
return int(wills and wills_due(wills) or 0)
