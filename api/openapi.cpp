#include "api/openapi.hpp"

#include "api/routes.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <yaml-cpp/yaml.h>

namespace rowlock::api {

namespace {

namespace json = boost::json;

// Quoted scalars are text; plain ones are what they look like.
json::value value_of(const YAML::Node& scalar)
{
    const std::string& text = scalar.Scalar();
    if (scalar.Tag() == "!") return json::value(json::string(text));
    if (text == "null" || text == "~" || text.empty()) return nullptr;
    if (text == "true") return true;
    if (text == "false") return false;
    std::int64_t whole = 0;
    if (YAML::convert<std::int64_t>::decode(scalar, whole)) return whole;
    double number = 0;
    if (YAML::convert<double>::decode(scalar, number)) return number;
    return json::value(json::string(text));
}

json::value tree_of(const YAML::Node& node)
{
    switch (node.Type()) {
    case YAML::NodeType::Map: {
        json::object object;
        for (const auto& member : node) object[member.first.Scalar()] = tree_of(member.second);
        return object;
    }
    case YAML::NodeType::Sequence: {
        json::array array;
        for (const auto& item : node) array.push_back(tree_of(item));
        return array;
    }
    case YAML::NodeType::Scalar: return value_of(node);
    case YAML::NodeType::Null:
    case YAML::NodeType::Undefined: return nullptr;
    }
    return nullptr;
}

constexpr std::string_view page_text = R"html(<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Rowlock</title>
<style>body{font:1rem/1.6 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}code{background:#8882;padding:0 .3em}</style>
<h1>Rowlock )html" ROWLOCK_VERSION R"html(</h1>
<p>A durable job orchestrator. This server speaks HTTP and JSON.</p>
<ul>
<li><a href="/v1/openapi.json">/v1/openapi.json</a>: everything it can do, as OpenAPI 3.1</li>
<li><a href="/v1/health">/v1/health</a>: how it is; <a href="/readyz">/readyz</a> and <a href="/healthz">/healthz</a> for load balancers</li>
<li><a href="/v1/executions">/v1/executions</a>, <a href="/v1/jobs">/v1/jobs</a>, <a href="/v1/instances">/v1/instances</a>: what it does and has done</li>
<li><a href="/metrics">/metrics</a>: for Prometheus</li>
</ul>
<p>Auditors ask the database: <code>select * from rowlock.v_executions</code>.</p>
</html>
)html";

}

std::string json_of_yaml(std::string_view yaml)
{
    return to_text(tree_of(YAML::Load(std::string(yaml))));
}

// GET /v1/openapi.json: 200.
runtime::awaitable<response> get_openapi(request_context& rq)
{
    static const std::string document = json_of_yaml(openapi_yaml);
    auto answer = rq.reply(200);
    answer.body.append(document);
    co_return answer;
}

// GET /: 200, for whoever looks at the address with a browser.
runtime::awaitable<response> front_page(request_context& rq)
{
    auto answer = rq.reply(200, "text/html; charset=utf-8");
    answer.add_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
    answer.body.append(page_text);
    co_return answer;
}

}
