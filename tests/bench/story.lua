-- The feed of another user each time, without one video.
local number = 0
request = function()
  number = number + 1
  local body = string.format('{"SELF_ID": %d, "N_VIDEOS": 24, "EXCLUDED_IDS": [%d]}', 1 + number * 7919 % 20000, number)
  return wrk.format('POST', nil, {['Host'] = 'feed.example.com', ['Content-Type'] = 'application/json'}, body)
end

-- wrk's own report has no 95th percentile.
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('RESULT {"requests": %d, "microseconds": %d, "p95": %d, "bad": %d, "lost": %d}\n',
    summary.requests, summary.duration, latency:percentile(95), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
