"""The Lua scripts of the shared cache: Redis runs each as one step, so gateways cannot come between."""

FIND = "return redis.call('GET', KEYS[1])"

# KEYS: the entry, the order of all entries (a sorted set by the time they were kept, each with its size in its name),
# their bytes together. ARGV: the answer, milliseconds it is kept, the most bytes of all, bytes besides the answer's.
# Nothing is written before SET unless it makes room: a Redis that is full refuses a script by its first write.
# Entries that Redis has expired are taken out of the books when something is kept; a thousand at a time, so that no
# call takes long.
KEEP = """
local entry, order, total = KEYS[1], KEYS[2], KEYS[3]
local age, most, besides = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local size = #ARGV[1] + besides
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('EXISTS', order, total) == 1 then redis.call('DEL', order, total) end
local known = redis.call('STRLEN', entry)
if known > 0 and redis.call('ZREM', order, (known + besides) .. ' ' .. entry) == 1 then
  redis.call('DECRBY', total, known + besides)
end
local sum = tonumber(redis.call('GET', total) or 0)
for _ = 1, 1000 do
  local oldest = redis.call('ZRANGE', order, 0, 0, 'WITHSCORES')
  if #oldest == 0 or (sum + size <= most and tonumber(oldest[2]) + age > now) then break end
  local bytes, name = string.match(oldest[1], '^(%d+) (.*)$')
  redis.call('DEL', name)
  redis.call('ZREM', order, oldest[1])
  sum = sum - tonumber(bytes)
end
if sum + size > most then return 0 end
redis.call('SET', entry, ARGV[1], 'PX', age)
redis.call('ZADD', order, now, size .. ' ' .. entry)
redis.call('SET', total, string.format('%d', sum + size))
redis.call('PEXPIRE', order, age + 60000)
redis.call('PEXPIRE', total, age + 60000)
return 1
"""
