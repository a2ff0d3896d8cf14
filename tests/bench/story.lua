-- The feed of another user each time, without one video.
local number = 0
request = function()
  number = number + 1
  local body = string.format('{"SELF_ID": %d, "N_VIDEOS": 24, "EXCLUDED_IDS": [%d]}', 1 + number * 7919 % 20000, number)
  return wrk.format('POST', nil, {['Host'] = 'feed.example.com', ['Content-Type'] = 'application/json'}, body)
end

dofile(debug.getinfo(1, 'S').source:match('^@(.*/)') .. 'result.lua')
