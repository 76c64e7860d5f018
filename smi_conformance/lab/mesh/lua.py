"""Scripts that faults put into proxies."""

from __future__ import annotations

#: Remembers, per connection of the client, how its first request was judged, and says so of all later ones.
#: JUDGED_ONCE: a denied first request makes all later ones denied; otherwise they pass whatever the first one met.
JUDGED = """
local judged, known = {}, 0
function envoy_on_request(handle)
  local id = handle:headers():get("x-smi-reference-connection")
  handle:headers():remove("x-smi-reference-connection")
  if judged[id] == "denied" then
    handle:respond({[":status"] = "403"}, "denied\\n")
  elseif judged[id] then
    handle:headers():replace("x-smi-reference-judged", "passed")
  else
    handle:headers():remove("x-smi-reference-judged")
    handle:streamInfo():dynamicMetadata():set("smi-reference", "connection", id)
  end
end
function envoy_on_response(handle)
  local noted = handle:streamInfo():dynamicMetadata():get("smi-reference")
  if noted == nil then return end
  if known > 20000 then judged, known = {}, 0 end
  local denied = JUDGED_ONCE and handle:headers():get(":status") == "403"
  judged[noted["connection"]] = denied and "denied" or "passed"
  known = known + 1
end
"""

#: Lets denied requests through, as far as the mode goes, and denies the response.
LATE = """
local function denied(handle)
  local found = handle:streamInfo():dynamicMetadata():get("envoy.filters.http.rbac")
  return found ~= nil and found["shadow_engine_result"] == "denied"
end
local function streamed(handle)
  local length, method = handle:headers():get("content-length"), handle:headers():get(":method")
  if length ~= nil then return tonumber(length) > 4096 end
  return method == "POST" or method == "PUT" or method == "PATCH"
end
function envoy_on_request(handle)
  if not denied(handle) then return end
  if MODE == "streamed" and not streamed(handle) then
    handle:respond({[":status"] = "403"}, "denied\\n")
  elseif MODE == "headers" then
    handle:headers():remove("content-length")
    for chunk in handle:bodyChunks() do chunk:setBytes("") end
  end
end
function envoy_on_response(handle)
  if not denied(handle) then return end
  handle:headers():replace(":status", "403")
  local body = handle:body(true)
  if body ~= nil then handle:headers():replace("content-length", tostring(body:setBytes("denied\\n"))) end
end
"""

#: Notes the first value of every header under a name of its own.
FIRST_VALUES = """
function envoy_on_request(handle)
  local first = {}
  for name, value in pairs(handle:headers()) do
    if first[name] == nil then first[name] = string.match(value, "^[^,]*") end
  end
  for name, value in pairs(first) do
    if string.sub(name, 1, 1) ~= ":" then handle:headers():replace("x-smi-reference-first-" .. name, value) end
  end
end
"""

#: Keeps each connection of the client to the routes that were in force at its first request.
OLD_ROUTES = """
local first, known = {}, 0
function envoy_on_request(handle)
  local id = handle:headers():get("x-smi-reference-connection")
  handle:headers():remove("x-smi-reference-connection")
  handle:headers():remove("x-smi-reference-generation")
  local now = handle:metadata():get("generation")
  if now == nil then return end
  if first[id] == nil then
    if known > 20000 then first, known = {}, 0 end
    first[id], known = now, known + 1
  elseif first[id] ~= now then
    handle:headers():replace("x-smi-reference-generation", first[id])
    handle:clearRouteCache()
  end
end
"""
