-- Claims the marker key for a generation: from here on older ones are fenced.
-- KEYS[1]: the marker key. ARGV[1], ARGV[2]: the generation's number and nonce.
local kind = redis.call('TYPE', KEYS[1])['ok']
local held = {false, false, false}
if kind == 'hash' then
  held = redis.call('HMGET', KEYS[1], 'number', 'nonce', 'marker')
end
if kind ~= 'none' and not held[1] then
  return {'WRONGTYPE', KEYS[1]}
end
-- Numbers are digits of one width, so that comparing texts compares them.
if held[1] and (held[1] > ARGV[1] or (held[1] == ARGV[1] and held[2] ~= ARGV[2])) then
  return {'FENCED', held[1], held[2]}
end
local reply = redis.pcall('HSET', KEYS[1], 'number', ARGV[1], 'nonce', ARGV[2])
if type(reply) == 'table' and reply['err'] then
  return {'REFUSED', reply['err']}
end
-- Nobody's time limit may take the marker away.
redis.call('PERSIST', KEYS[1])
return {'CLAIMED', held[3] or ''}
