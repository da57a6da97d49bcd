"""The one Lua script of the shared store: reports what a gateway spent and renews what it holds, for all meters of a
client in one atomic step."""

from __future__ import annotations

HOLD_SECONDS = 15
"""A gateway not heard of for this long is dead: what it held counts as spent (requests running in a dead process
count as ended)."""

# KEYS: one hash per meter. ARGV: gateway, hold milliseconds, then per meter 8 values: capacity, rate per second, total
# spent by this gateway, what to count from if the hash does not know this gateway, held (already given, cannot be
# denied), wanted (held + asked for), milliseconds the gateway knows to have passed since it last asked or -1, and
# seconds the hash is kept; a negative number of these says that holds of dead gateways are dropped, not charged.
# Returns 3 strings per meter: granted, spent, held by others.
#
# The hash has `spent` and `at`, and per gateway `t:` its total, `h:` its hold, `b:` when it was last heard.
#
# Time is the server's, as all gateways share it; but a server's clock may jump too. Backwards nothing leaks. Forwards
# no more leaks than in the time that the asking gateway's monotonic clock has seen pass.
EXCHANGE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local gateway, patience = ARGV[1], tonumber(ARGV[2])
local answer = {}
for index, key in ipairs(KEYS) do
  local from = 3 + (index - 1) * 8
  local capacity, rate = tonumber(ARGV[from]), tonumber(ARGV[from + 1])
  local total, base = tonumber(ARGV[from + 2]), tonumber(ARGV[from + 3])
  local held, wanted = tonumber(ARGV[from + 4]), tonumber(ARGV[from + 5])
  local passed, keep = tonumber(ARGV[from + 6]), tonumber(ARGV[from + 7])
  local hash, fields = {}, 0
  local flat = redis.call('HGETALL', key)
  for at = 1, #flat, 2 do
    hash[flat[at]] = flat[at + 1]
    fields = fields + 1
  end
  local elapsed = now - tonumber(hash['at'] or now)
  if elapsed < 0 then elapsed = 0 end
  if passed >= 0 and elapsed > passed then elapsed = passed end
  local spent = math.max(0, tonumber(hash['spent'] or '0') - rate * elapsed / 1000)
  local news = total - tonumber(hash['t:' .. gateway] or base)
  if news > 0 then spent = spent + news end
  local others = 0
  local gone = {}
  for field, value in pairs(hash) do
    local kind, name = string.sub(field, 1, 2), string.sub(field, 3)
    if kind == 'h:' and name ~= gateway then
      local heard = tonumber(hash['b:' .. name] or '0')
      if now - heard > patience or heard - now > patience then
        if keep > 0 then spent = spent + tonumber(value) end
        gone[#gone + 1] = field
        gone[#gone + 1] = 'b:' .. name
      else
        others = others + tonumber(value)
      end
    elseif kind == 't:' and fields > 300 and rate > 0 and name ~= gateway and not hash['h:' .. name] then
      gone[#gone + 1] = field
    end
  end
  if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
  local granted = math.max(held, math.min(wanted, math.floor(capacity - spent - others + 0.000001)))
  redis.call('HSET', key, 'spent', string.format('%.6f', spent), 'at', string.format('%.0f', now),
    't:' .. gateway, string.format('%.0f', total))
  if granted > 0 then
    redis.call('HSET', key, 'h:' .. gateway, string.format('%.0f', granted))
    redis.call('HSET', key, 'b:' .. gateway, string.format('%.0f', now))
  else
    redis.call('HDEL', key, 'h:' .. gateway, 'b:' .. gateway)
  end
  redis.call('EXPIRE', key, math.abs(keep))
  answer[#answer + 1] = string.format('%.0f', granted)
  answer[#answer + 1] = string.format('%.6f', spent)
  answer[#answer + 1] = string.format('%.0f', others)
end
return answer
"""

# KEYS: one hash, a field per gateway. ARGV: gateway, milliseconds after which a gateway's counts are no longer true,
# this gateway's counts as JSON. Returns the counts of all living gateways, each as JSON.
FLEET = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ttl = tonumber(ARGV[2])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now) .. ' ' .. ARGV[3])
redis.call('PEXPIRE', KEYS[1], ttl)
local answer = {}
local flat = redis.call('HGETALL', KEYS[1])
for at = 1, #flat, 2 do
  local space = string.find(flat[at + 1], ' ', 1, true)
  local heard = tonumber(string.sub(flat[at + 1], 1, space - 1))
  if now - heard > ttl or heard - now > ttl then
    redis.call('HDEL', KEYS[1], flat[at])
  else
    answer[#answer + 1] = string.sub(flat[at + 1], space + 1)
  end
end
return answer
"""
