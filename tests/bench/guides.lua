-- Sends the requests of a file in turn, each a line "METHOD PATH [BODY]".
-- wrk ... -s guides.lua http://ADDRESS -- FILE HEADER:VALUE ...
local prepared, at = {}, 0

init = function(args)
  wrk.headers["Content-Type"] = "application/json"
  for index = 2, #args do
    local name, value = args[index]:match("^([^:]+):(.*)$")
    wrk.headers[name] = value
  end
  for line in io.lines(args[1]) do
    local method, path, body = line:match("^(%S+) (%S+) ?(.*)$")
    table.insert(prepared, wrk.format(method, path, nil, body ~= "" and body or nil))
  end
end

request = function()
  at = at % #prepared + 1
  return prepared[at]
end

dofile(debug.getinfo(1, 'S').source:match('^@(.*/)') .. 'result.lua')
