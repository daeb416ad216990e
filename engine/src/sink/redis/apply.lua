-- Applies a chunk: all of its writes and then its marker, or nothing.
-- KEYS[1]: the marker key. KEYS[2], …: the key of each write.
-- ARGV[1], ARGV[2]: the generation's number and nonce.
-- ARGV[3]: the marker that must be there, or ''. ARGV[4]: the marker to set.
-- ARGV[5], …: for each write 'S' value; 'H' count name value …; or 'D'.
local kind = redis.call('TYPE', KEYS[1])['ok']
local held = {false, false, false}
if kind == 'hash' then
  held = redis.call('HMGET', KEYS[1], 'number', 'nonce', 'marker')
end
if kind ~= 'none' and not held[1] then
  return {'WRONGTYPE', KEYS[1]}
end

local number, nonce, marker = held[1], held[2], held[3] or ''
if number and (number > ARGV[1] or (number == ARGV[1] and nonce ~= ARGV[2])) then
  return {'FENCED', number, nonce}
end
if number ~= ARGV[1] then
  return {'UNCLAIMED', marker}
end

-- The last 34 digits of a marker are "last of its group?" and the hash; before them
-- stands its place.
local function place(text)
  return string.sub(text, 1, -35)
end
if marker ~= ARGV[3] then
  if marker ~= '' and marker == ARGV[4] then
    return {'DUPLICATE'}
  end
  local parted = marker ~= ''
    and (place(marker) == place(ARGV[4])
      or (ARGV[3] ~= '' and place(marker) == place(ARGV[3])))
  return {parted and 'DIVERGED' or 'GAP', marker}
end

-- A script is not rolled back. So everything that can be wrong with a key is looked at
-- before the first write.
local kinds = {}
local at = 5
for index = 2, #KEYS do
  local key, op = KEYS[index], ARGV[at]
  local found = kinds[key] or redis.call('TYPE', key)['ok']
  kinds[key] = found
  local fits = found == 'none'
  if op == 'S' then
    fits = fits or found == 'string'
    at = at + 2
  elseif op == 'H' then
    fits = fits or found == 'hash'
    at = at + 2 + 2 * tonumber(ARGV[at + 1])
  elseif op == 'D' then
    fits = fits or found == 'string' or found == 'hash'
    at = at + 1
  else
    return {'REFUSED', 'ERR a write that is not known'}
  end
  if key == KEYS[1] or not fits then
    return {'WRONGTYPE', key}
  end
end

local wrote = false
-- Carries out one command; gives the answer to return if it failed.
local function write(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply['err'] then
    return {wrote and 'PARTIAL' or 'REFUSED', reply['err']}
  end
  wrote = true
  return nil
end

-- More arguments than this would not fit on Lua's stack.
local FIELDS_MAX = 1000

at = 5
for index = 2, #KEYS do
  local key, op = KEYS[index], ARGV[at]
  local failed
  if op == 'S' then
    failed = write('SET', key, ARGV[at + 1])
    kinds[key] = 'string'
    at = at + 2
  elseif op == 'H' then
    if kinds[key] ~= 'none' then
      failed = write('DEL', key)
    end
    local count = tonumber(ARGV[at + 1])
    local first, last = at + 2, at + 1 + 2 * count
    while first <= last and not failed do
      local stop = math.min(last, first + 2 * FIELDS_MAX - 1)
      failed = write('HSET', key, unpack(ARGV, first, stop))
      first = stop + 1
    end
    kinds[key] = count > 0 and 'hash' or 'none'
    at = last + 1
  else
    failed = write('DEL', key)
    kinds[key] = 'none'
    at = at + 1
  end
  if failed then
    return failed
  end
end
return write('HSET', KEYS[1], 'marker', ARGV[4]) or {'APPLIED'}
