import { createHash } from 'node:crypto'
import { greatest } from '../refusal.ts'
import { retention } from '../retention.ts'

/**
 * The whole ledger as one script: Redis runs it alone, so a call is atomic. Below the prefix, whose braces keep all keys on
 * one shard: `epoch`; `c:KEY` a counter, hash of c (committed), h (held), e (end of the window); `h:ID` a hold, packed;
 * `x` live holds by expiry; `l` those that lapsed, by then. A hold has no time to live until it ended: it is booked when somebody meets it.
 *
 * Numbers are doubles in Lua: whole below 2^53, and written with %.0f, since Lua's own way keeps 14 digits. They are
 * answered as text: the client rounds replies just below 2^53.
 */
const text = `
local prefix, op, now = ARGV[1], ARGV[2], tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local args = 3
local counterMs, settledMs, lapsedMs = ${retention.counterMs}, ${retention.settledMs}, ${retention.lapsedMs}
local slackMs, sweepSize, greatest = 1000, 64, ${greatest}
local KEY, KIND, AMOUNT, NOTED, ENDS = 1, 2, 3, 4, 5

local function int(number) return string.format('%.0f', number) end
local function arg(index) return ARGV[args + index] end
local function counterAt(key) return prefix .. ':c:' .. key end
local function holdAt(id) return prefix .. ':h:' .. id end

local function counterOf(key)
  local found = redis.call('HMGET', counterAt(key), 'c', 'h', 'e')
  local ends = tonumber(found[3] or 0)
  if ends > 0 and ends + counterMs <= now then return 0, 0, ends end
  return tonumber(found[1] or 0), tonumber(found[2] or 0), ends
end

local function isOver(line)
  if line[KIND] ~= 'Flow' then return false end
  local ends = tonumber(redis.call('HGET', counterAt(line[KEY]), 'e') or 0)
  return math.max(ends, line[ENDS]) + counterMs <= now
end

local function add(line, committed, held)
  if isOver(line) then return end
  local name = counterAt(line[KEY])
  if committed ~= 0 and line[KIND] == 'Flow' then
    redis.call('HINCRBY', name, 'c', int(committed))
  end
  if held ~= 0 then
    local left = redis.call('HINCRBY', name, 'h', int(held))
    if left == 0 and line[KIND] == 'Lease' then redis.call('DEL', name) end
  end
end

local function save(id, hold, forgetAt)
  local packed = cmsgpack.pack(hold)
  if not forgetAt then
    redis.call('SET', holdAt(id), packed)
  elseif forgetAt > now then
    redis.call('SET', holdAt(id), packed, 'PX', int(forgetAt - now + slackMs))
  else
    redis.call('DEL', holdAt(id))
  end
end

local function lapse(id, hold)
  for _, line in ipairs(hold.lines) do
    add(line, line[NOTED], -math.max(line[AMOUNT], line[NOTED]))
    line[AMOUNT] = line[NOTED]
  end
  hold.state, hold.forgetAt = 'Lapsed', hold.expiresAt + lapsedMs
  redis.call('ZREM', prefix .. ':x', id)
  redis.call('ZADD', prefix .. ':l', int(hold.expiresAt), id)
  redis.call('PEXPIRE', prefix .. ':l', int(lapsedMs + slackMs))
  save(id, hold, hold.forgetAt)
end

local function holdOf(id)
  local packed = redis.call('GET', holdAt(id))
  if not packed then return nil end
  local hold = cmsgpack.unpack(packed)
  if hold.state == 'Live' and hold.expiresAt <= now then lapse(id, hold) end
  if hold.state ~= 'Live' and hold.forgetAt <= now then return nil end
  return hold
end

local function sweep()
  local due = redis.call('ZRANGEBYSCORE', prefix .. ':x', '-inf', int(now), 'LIMIT', 0, sweepSize)
  for _, id in ipairs(due) do
    if not holdOf(id) then redis.call('ZREM', prefix .. ':x', id) end
  end
  redis.call('ZREMRANGEBYSCORE', prefix .. ':l', '-inf', int(now - lapsedMs))
end

local function readLines(from)
  local lines, caps = {}, {}
  for index = from, #ARGV - args, 5 do
    local key, kind, amount = arg(index), arg(index + 1), tonumber(arg(index + 2))
    lines[#lines + 1] = { key, kind, amount, 0, tonumber(arg(index + 4)) }
    caps[#caps + 1] = tonumber(arg(index + 3)) or greatest
  end
  return lines, caps
end

local ops = {}

function ops.try()
  local id, expiresIn = arg(1), tonumber(arg(2))
  local lines, caps = readLines(4)
  local known = holdOf(id)
  if known and known.state ~= 'Live' then return { 'Used' } end
  local answer, fits, ends = { 'Granted' }, true, {}
  for index, line in ipairs(lines) do
    if line[KIND] == 'Flow' and line[ENDS] + counterMs <= now then return { 'Skew', line[KEY] } end
    local committed, held, endsAt = counterOf(line[KEY])
    fits = fits and committed + held + line[AMOUNT] <= caps[index]
    ends[index] = endsAt
    answer[#answer + 1] = int(committed)
    answer[#answer + 1] = int(held)
  end
  if known then return answer end
  if not fits then
    answer[1] = 'Refused'
    return answer
  end
  for index, line in ipairs(lines) do
    local name = counterAt(line[KEY])
    answer[2 * index + 1] = int(redis.call('HINCRBY', name, 'h', int(line[AMOUNT])))
    if line[KIND] == 'Flow' and line[ENDS] > ends[index] then
      redis.call('HSET', name, 'e', int(line[ENDS]))
      redis.call('PEXPIRE', name, int(line[ENDS] + counterMs - now + slackMs))
    end
  end
  redis.call('ZADD', prefix .. ':x', int(now + expiresIn), id)
  save(id, { state = 'Live', expiresAt = now + expiresIn, forgetAt = 0, note = arg(3), lines = lines })
  return answer
end

function ops.renew()
  local id, expiresIn = arg(1), tonumber(arg(2))
  local hold = holdOf(id)
  if not hold then return { 'Forgotten' } end
  if hold.state ~= 'Live' then return { hold.state } end
  hold.expiresAt = math.max(hold.expiresAt, now + expiresIn)
  if arg(3) ~= '' then hold.note = arg(3) end
  for index, line in ipairs(hold.lines) do
    local used = tonumber(arg(3 + index) or 0)
    if line[KIND] == 'Flow' and used > line[NOTED] then
      add(line, 0, math.max(line[AMOUNT], used) - math.max(line[AMOUNT], line[NOTED]))
      line[NOTED] = used
    end
  end
  redis.call('ZADD', prefix .. ':x', int(hold.expiresAt), id)
  save(id, hold)
  return { 'Renewed' }
end

function ops.settle()
  local id, exactness = arg(1), arg(2)
  local hold = holdOf(id)
  if not hold then return { 'Forgotten' } end
  if hold.state == 'Ended' then return { 'Ended' } end
  for index, line in ipairs(hold.lines) do
    local use, noted = tonumber(arg(2 + index) or 0), line[NOTED]
    if exactness ~= 'Exact' then use = math.max(use, noted) end
    if exactness == 'Unknown' then use = math.max(use, line[AMOUNT]) end
    if hold.state == 'Lapsed' then
      add(line, math.max(0, use - noted), 0)
    else
      add(line, use, -math.max(line[AMOUNT], noted))
    end
  end
  redis.call('ZREM', prefix .. ':x', id)
  redis.call('ZREM', prefix .. ':l', id)
  save(id, { state = 'Ended', forgetAt = now + settledMs }, now + settledMs)
  return { hold.state == 'Lapsed' and 'Corrected' or 'Settled' }
end

function ops.lapsed()
  local answer = { 'Lapsed' }
  local before = int(now - tonumber(arg(1)))
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. ':l', '-inf', before, 'LIMIT', 0, ${retention.lapsedTold})) do
    local hold = holdOf(id)
    if hold then
      local used = {}
      for index, line in ipairs(hold.lines) do used[index] = int(line[NOTED]) end
      answer[#answer + 1] = '{"id":' .. cjson.encode(id) .. ',"note":' .. cjson.encode(hold.note)
        .. ',"used":[' .. table.concat(used, ',') .. '],"lapsedAtMs":' .. int(hold.expiresAt) .. '}'
    end
  end
  return answer
end

function ops.read()
  local answer = { 'Read' }
  for index = 1, #ARGV - args do
    local committed, held = counterOf(arg(index))
    answer[#answer + 1] = int(committed)
    answer[#answer + 1] = int(held)
  end
  return answer
end

local isOpen = redis.call('EXISTS', KEYS[1]) == 1
if op == 'rebuild' then
  if isOpen then return { 'Open' } end
  redis.call('SET', KEYS[1], arg(1))
  for _, line in ipairs((readLines(2))) do
    local name = counterAt(line[KEY])
    redis.call('HSET', name, 'c', int(line[AMOUNT]), 'e', int(line[ENDS]))
    redis.call('PEXPIRE', name, int(math.max(1, line[ENDS] + counterMs - now + slackMs)))
  end
  return { 'Rebuilt' }
end
if not isOpen then return { 'Closed' } end
sweep()
return ops[op]()
`

/** Redis knows it by the hash of its text, so gateways of two versions run each their own. */
export const ledgerScript = { text, sha1: createHash('sha1').update(text).digest('hex') } as const
