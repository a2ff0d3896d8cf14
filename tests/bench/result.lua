-- What all loads here end with, as one line of JSON: wrk's own report has no 95th percentile.
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('RESULT {"requests": %d, "microseconds": %d, "p50": %d, "p95": %d, "bad": %d, "lost": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(95), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
