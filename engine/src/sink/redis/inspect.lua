-- Reads claim and marker without claiming.
-- KEYS[1]: the marker key.
local kind = redis.call('TYPE', KEYS[1])['ok']
local held = {false, false, false}
if kind == 'hash' then
  held = redis.call('HMGET', KEYS[1], 'number', 'nonce', 'marker')
end
if kind ~= 'none' and not held[1] then
  return {'WRONGTYPE', KEYS[1]}
end
return {'FOUND', held[1] or '', held[2] or '', held[3] or ''}
