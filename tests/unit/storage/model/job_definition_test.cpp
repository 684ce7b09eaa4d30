#include "tests/unit/storage/model/definition_text.hpp"

#include "storage/model/json_text.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>

using namespace rowlock;
namespace json = boost::json;
using namespace std::chrono_literals;

TEST_CASE("a definition needs a job_id, in the path or in the body, and a handler", "[unit][definition]")
{
    CHECK(good(R"({"handler":{"type":"noop"}})").job_id == "j");
    CHECK(good(R"({"job_id":"a.b-c_1","handler":{"type":"noop"}})", "").job_id == "a.b-c_1");
    CHECK(good(R"({"job_id":"j","handler":{"type":"noop"}})").job_id == "j");
    CHECK(fields_of("{}", "") == names{"handler", "job_id"});
    CHECK(errors_of("{}")[0] == field_error{"handler", "", "is required"});

    const auto other = errors_of(R"({"job_id":"k","handler":{"type":"noop"}})");
    REQUIRE(other.size() == 1);
    CHECK(other[0] == field_error{"job_id", "\"k\"", "must be equal to the job_id of the path, j, or be left out"});
    CHECK(fields_of(R"({"job_id":"Not A Slug","handler":{"type":"noop"}})", "") == names{"job_id"});
    CHECK(fields_of(R"({"handler":{"type":"noop"}})", "UPPER") == names{"job_id"});
}

TEST_CASE("all errors of a definition come back at once, with their values", "[unit][definition]")
{
    const auto all = errors_of(R"({"handler":{"type":"process","command":["","a"],"env":{"1X":"v","N":5}},"timeout_seconds":-1,"nonsense":true,
        "resources":{"priority":1001,"cores":2},"retry_policy":{"max_attempts":0,"jitter_mode":"SOME"},"tags":{"a":1}})");
    names fields;
    for (const auto& e : all) fields.push_back(e.field);
    std::sort(fields.begin(), fields.end());
    CHECK(fields == names{"handler.command[0]", "handler.env.1X", "handler.env.N", "nonsense", "resources.cores", "resources.priority",
                          "retry_policy.jitter_mode", "retry_policy.max_attempts", "tags.a", "timeout_seconds"});
    const auto priority = std::find_if(all.begin(), all.end(), [](const field_error& e) { return e.field == "resources.priority"; });
    CHECK(*priority == field_error{"resources.priority", "1001", "must be an integer from -1000 to 1000"});
}

TEST_CASE("unknown members are refused by name at every level", "[unit][definition]")
{
    CHECK(fields_of(noop_with(R"("tiemout_seconds":5)")) == names{"tiemout_seconds"});
    CHECK(fields_of(with_handler(R"({"type":"noop","seconds":1})")) == names{"handler.seconds"});
    CHECK(fields_of(noop_with(R"("retry_policy":{"attempts":5})")) == names{"retry_policy.attempts"});
    CHECK(fields_of(noop_with(R"("resources":{"gpu":1})")) == names{"resources.gpu"});
    CHECK(fields_of(noop_with(R"("inputs":[{"name":"a","size":1}])")) == names{"inputs[0].size"});
}

TEST_CASE("a hostile number of errors is cut, and said to be", "[unit][definition]")
{
    std::string body = R"({"handler":{"type":"noop"})";
    for (int i = 0; i < 3000; ++i) body += ",\"x" + std::to_string(i) + "\":1";
    const auto all = errors_of(body + "}");
    CHECK(all.size() == 1001);
    CHECK_THAT(all.back().message, Catch::Contains("more than 1000"));
}

TEST_CASE("a long value is cut in its error", "[unit][definition]")
{
    const auto all = errors_of(noop_with("\"name\":\"" + std::string(5000, 'x') + "\""));
    REQUIRE(all.size() == 1);
    CHECK(all[0].value.size() < 210);
    CHECK(all[0].message == "must have 1 to 256 characters, not 5000");
}

TEST_CASE("each handler form is read whole", "[unit][definition][handler]")
{
    CHECK(std::holds_alternative<noop_handler>(good(with_handler(R"({"type":"noop"})")).handler));
    CHECK(std::get<sleep_handler>(good(with_handler(R"({"type":"sleep","seconds":0.5})")).handler).duration == 500ms);

    const auto fail = std::get<fail_handler>(good(with_handler(R"({"type":"fail","error_code":"E","error_message":"m","times":2})")).handler);
    CHECK(fail.error_code == "E");
    CHECK(fail.error_message == "m");
    CHECK(fail.times == 2);
    CHECK(std::get<fail_handler>(good(with_handler(R"({"type":"fail"})")).handler).times == std::nullopt);

    const auto process = std::get<process_handler>(good(with_handler(R"({"type":"process","command":["./x.sh","--a","b c"],"env":{"A_1":""},"cwd":"/tmp",
        "grace_seconds":0.25,"output_limit_bytes":100,"memory_limit_bytes":104857600,"cpu_limit_seconds":2})")).handler);
    CHECK(process.command == names{"./x.sh", "--a", "b c"});
    CHECK(process.env == std::map<std::string, std::string>{{"A_1", ""}});
    CHECK(process.cwd == "/tmp");
    CHECK(process.grace == 250ms);
    CHECK(process.output_limit_bytes == 100);
    CHECK(process.memory_limit_bytes == 104857600);
    CHECK(process.cpu_limit == 2s);

    const auto http = std::get<http_handler>(good(with_handler(R"({"type":"http","url":"https://example.org/a?b={{ parameters.x }}","method":"put","headers":{"X-A":"b"},
        "body":{"k":[1,2]},"completion":"reply","response_limit_bytes":10,"max_redirects":0,"verify_tls":false,"ca_file":"/ca.pem"})")).handler);
    CHECK(http.url == "https://example.org/a?b={{ parameters.x }}");
    CHECK(http.method == "PUT");
    CHECK(http.headers.at("X-A") == "b");
    CHECK(to_text(*http.body) == R"({"k":[1,2]})");
    CHECK(http.response_limit_bytes == 10);
    CHECK(http.max_redirects == 0);
    CHECK_FALSE(http.verify_tls);
    CHECK(http.ca_file == "/ca.pem");
}

TEST_CASE("handlers that could not run are refused", "[unit][definition][handler]")
{
    struct row { std::string handler; names fields; };
    const auto r = GENERATE(values<row>({
        {R"({})", {"handler.type"}},
        {R"({"type":5})", {"handler.type"}},
        {R"({"type":"nope"})", {"handler.type"}},
        {R"("noop")", {"handler"}},
        {R"({"type":"sleep"})", {"handler.seconds"}},
        {R"({"type":"sleep","seconds":"1"})", {"handler.seconds"}},
        {R"({"type":"sleep","seconds":-1})", {"handler.seconds"}},
        {R"({"type":"sleep","seconds":0.0005})", {"handler.seconds"}},
        {R"({"type":"sleep","seconds":1e300})", {"handler.seconds"}},
        {R"({"type":"fail","times":-1})", {"handler.times"}},
        {R"({"type":"fail","times":1.5})", {"handler.times"}},
        {R"({"type":"process"})", {"handler.command"}},
        {R"({"type":"process","command":"ls -l"})", {"handler.command"}},
        {R"({"type":"process","command":[]})", {"handler.command"}},
        {R"({"type":"process","command":["ls",1]})", {"handler.command[1]"}},
        {R"({"type":"process","command":["ls"],"env":{"A=B":"x","ROWLOCK_X":"y","":"z"}})", {"handler.env.", "handler.env.A=B", "handler.env.ROWLOCK_X"}},
        {R"({"type":"process","command":["ls"],"cwd":"here"})", {"handler.cwd"}},
        {R"({"type":"process","command":["ls"],"grace_seconds":3601})", {"handler.grace_seconds"}},
        {R"({"type":"http"})", {"handler.url"}},
        {R"({"type":"http","url":"ftp://x/"})", {"handler.url"}},
        {R"({"type":"http","url":"http://"})", {"handler.url"}},
        {R"({"type":"http","url":"http:///path"})", {"handler.url"}},
        {R"({"type":"http","url":"http://u:p@x/"})", {"handler.url"}},
        {R"({"type":"http","url":"http://x:0/"})", {"handler.url"}},
        {R"({"type":"http","url":"http://x:99999/"})", {"handler.url"}},
        {R"({"type":"http","url":"http://[::1/"})", {"handler.url"}},
        {R"({"type":"http","url":"http://x/a b"})", {"handler.url"}},
        {R"({"type":"http","url":"http://x/\r\nA: b"})", {"handler.url"}},
        {R"({"type":"http","url":"http://x/{{ parameters.x"})", {"handler.url"}},
        {R"({"type":"http","url":"http://x/","method":"BREW"})", {"handler.method"}},
        {R"({"type":"http","url":"http://x/","headers":{"A b":"x"}})", {"handler.headers.A b"}},
        {R"({"type":"http","url":"http://x/","headers":{"A":"x\r\nB: c"}})", {"handler.headers.A"}},
        {R"({"type":"http","url":"http://x/","headers":{"content-Length":"1"}})", {"handler.headers.content-Length"}},
        {R"({"type":"http","url":"http://x/","method":"GET","body":{}})", {"handler.body"}},
    }));
    CHECK(fields_of(with_handler(r.handler)) == r.fields);
}

TEST_CASE("URLs in their usual forms are taken", "[unit][definition][handler]")
{
    const auto url = GENERATE(as<std::string>(), "http://x", "HTTPS://Example.ORG:8443/a/b?c=d#e", "http://127.0.0.1:1/", "http://[::1]:8080/x", "http://[fe80::1]",
                              "{{ parameters.url }}", "http://{{ parameters.host }}:{{ parameters.port }}/x", "http://x/{{ parameters.a }}/b");
    CHECK(std::get<http_handler>(good(with_handler(R"({"type":"http","url":")" + url + "\"}")).handler).url == url);
}

TEST_CASE("durations are taken to the millisecond", "[unit][definition]")
{
    CHECK(good(noop_with(R"("timeout_seconds":0.001)")).timeout == 1ms);
    CHECK(good(noop_with(R"("timeout_seconds":60)")).timeout == 60s);
    CHECK(good(noop_with(R"("timeout_seconds":1.1)")).timeout == 1100ms);
    CHECK(good(noop_with(R"("timeout_seconds":null)")).timeout == std::nullopt);
    CHECK(fields_of(noop_with(R"("timeout_seconds":0)")) == names{"timeout_seconds"});
    CHECK(fields_of(noop_with(R"("timeout_seconds":0.0015)")) == names{"timeout_seconds"});
    CHECK(fields_of(noop_with(R"("timeout_seconds":"60")")) == names{"timeout_seconds"});
    CHECK(errors_of(noop_with(R"("timeout_seconds":31622401)"))[0].message == "must be seconds from 0.001 to 31622400, in steps of 0.001");
}

TEST_CASE("a retry policy is read with its own names and with those of the rules", "[unit][definition][retry]")
{
    const auto own = good(noop_with(R"("retry_policy":{"max_attempts":4,"initial_delay_seconds":1.5,"max_delay_seconds":10,"backoff_multiplier":3,"jitter_factor":0.2,
        "jitter_mode":"EQUAL","retryable_errors":["A"],"non_retryable_errors":["B"],"retryable_exit_codes":[1,2],"retryable_error_patterns":["^x+$"]})"));
    CHECK(own.retry.max_attempts == 4);
    CHECK(own.retry.initial_delay == 1500ms);
    CHECK(own.retry.max_delay == 10s);
    CHECK(own.retry.backoff_multiplier == 3);
    CHECK(own.retry.jitter_factor == 0.2);
    CHECK(own.retry.jitter == jitter_mode::equal);
    CHECK(own.retry.retryable_errors == names{"A"});
    CHECK(own.retry.non_retryable_errors == names{"B"});
    CHECK(own.retry.retryable_exit_codes == std::vector<int>{1, 2});
    CHECK(own.retry.retryable_error_patterns == names{"^x+$"});

    const auto aliases = good(noop_with(R"("retry_policy":{"max_attempts":4,"initial_delay":1.5,"max_delay":10,"multiplier":3,"jitter_factor":0.2,
        "jitter_mode":"EQUAL","retryable_codes":["A"],"non_retryable_codes":["B"],"retryable_exit_codes":[1,2],"retryable_error_patterns":["^x+$"]})"));
    CHECK(to_text(aliases.document) == to_text(own.document));
    const auto flat = good(noop_with(R"("max_attempts":4,"initial_delay":1.5,"max_delay":10,"multiplier":3,"jitter_factor":0.2,
        "jitter_mode":"EQUAL","retryable_codes":["A"],"non_retryable_codes":["B"],"retry_policy":{"retryable_exit_codes":[1,2],"retryable_error_patterns":["^x+$"]})"));
    CHECK(to_text(flat.document) == to_text(own.document));
}

TEST_CASE("what a retry policy leaves out comes from the settings, and is not written into the document", "[unit][definition][retry]")
{
    definition_defaults defaults;
    defaults.retry.max_attempts = 7;
    defaults.retry.initial_delay = 9s;
    const auto d = parse(noop_with(R"("retry_policy":{"max_delay_seconds":90})"), "j", defaults);
    REQUIRE(d.has_value());
    CHECK(d->retry.max_attempts == 7);
    CHECK(d->retry.initial_delay == 9s);
    CHECK(d->retry.max_delay == 90s);
    CHECK(to_text(d->document) == R"({"job_id":"j","handler":{"type":"noop"},"retry_policy":{"max_delay_seconds":90}})");
    CHECK(good(noop_with(R"("retry_policy":{"initial_delay_seconds":7200})")).retry.max_delay == 7200s);
}

TEST_CASE("attempts are counted with or without the first, as asked", "[unit][definition][retry]")
{
    struct row { std::string policy; int attempts; std::string kept; };
    const auto r = GENERATE(values<row>({
        {R"({"max_attempts":5})", 5, R"({"max_attempts":5})"},
        {R"({"max_attempts":5,"include_initial":true})", 5, R"({"max_attempts":5,"include_initial":true})"},
        {R"({"max_attempts":5,"include_initial":false})", 6, R"({"max_attempts":5,"include_initial":false})"},
        {R"({"max_retries":3})", 4, R"({"max_attempts":4})"},
        {R"({"max_retries":0})", 1, R"({"max_attempts":1})"},
        {R"({"max_retries":3,"include_initial":false})", 4, R"({"max_attempts":4})"},
        {R"({"max_retries":3,"max_attempts":4})", 4, R"({"max_attempts":4})"},
        {R"({"max_retries":3,"max_attempts":3,"include_initial":false})", 4, R"({"max_attempts":3,"include_initial":false})"},
    }));
    const auto d = good(noop_with("\"retry_policy\":" + r.policy));
    CHECK(d.retry.max_attempts == r.attempts);
    CHECK(to_text(d.document.at("retry_policy")) == r.kept);
}

TEST_CASE("retry policies that contradict themselves or cannot be are refused", "[unit][definition][retry]")
{
    struct row { std::string policy; names fields; };
    const auto r = GENERATE(values<row>({
        {R"({"max_attempts":0})", {"retry_policy.max_attempts"}},
        {R"({"max_attempts":1001})", {"retry_policy.max_attempts"}},
        {R"({"max_attempts":2.5})", {"retry_policy.max_attempts"}},
        {R"({"max_retries":3,"max_attempts":3})", {"retry_policy.max_retries"}},
        {R"({"max_retries":-1})", {"retry_policy.max_retries"}},
        {R"({"initial_delay":1,"initial_delay_seconds":2})", {"retry_policy.initial_delay"}},
        {R"({"initial_delay_seconds":-1})", {"retry_policy.initial_delay_seconds"}},
        {R"({"initial_delay_seconds":20,"max_delay_seconds":10})", {"retry_policy.max_delay_seconds"}},
        {R"({"multiplier":0.5})", {"retry_policy.multiplier"}},
        {R"({"jitter_factor":1.5})", {"retry_policy.jitter_factor"}},
        {R"({"jitter_mode":"full"})", {"retry_policy.jitter_mode"}},
        {R"({"retryable_errors":"A"})", {"retry_policy.retryable_errors"}},
        {R"({"retryable_errors":[""]})", {"retry_policy.retryable_errors[0]"}},
        {R"({"retryable_exit_codes":[256,"1"]})", {"retry_policy.retryable_exit_codes[0]", "retry_policy.retryable_exit_codes[1]"}},
        {R"x({"retryable_error_patterns":["a","(","b(?=c)"]})x", {"retry_policy.retryable_error_patterns[1]", "retry_policy.retryable_error_patterns[2]"}},
        {R"([])", {"retry_policy"}},
    }));
    CHECK(fields_of(noop_with("\"retry_policy\":" + r.policy)) == r.fields);
}

TEST_CASE("what this version cannot do is refused, never ignored", "[unit][definition]")
{
    struct row { std::string members; std::string field; };
    const auto r = GENERATE(values<row>({
        {R"("on_lease_doubt":"stop")", "on_lease_doubt"},
        {R"("priority_boost_on_age":false)", "priority_boost_on_age"},
    }));
    const auto all = errors_of(noop_with(r.members));
    REQUIRE(all.size() == 1);
    CHECK(all[0].field == r.field);
    CHECK_THAT(all[0].message, Catch::Contains("is not supported by this version of Rowlock; leave it out"));
}

TEST_CASE("handlers this version cannot run are refused", "[unit][definition][handler]")
{
    const auto type = GENERATE(as<std::string>(), "worker", "native");
    const auto all = errors_of(with_handler(R"({"type":")" + type + R"(","statement":"select 1"})"));
    REQUIRE(all.size() == 1);
    CHECK(all[0].field == "handler.type");
    CHECK_THAT(all[0].message, Catch::Contains("is not supported by this version of Rowlock"));
}

TEST_CASE("asking for nothing of what this version cannot do is taken and dropped", "[unit][definition]")
{
    const auto d = good(noop_with(R"("schedule":null,"skip_if_running":false,"max_catchup_runs":0,
        "heartbeat":null,"priority_boost_on_age":true,"timeout_action":"TERMINATE")"));
    CHECK(to_text(d.document) == R"({"job_id":"j","handler":{"type":"noop"},"timeout_action":"TERMINATE"})");
}

TEST_CASE("what GET shows can be put back", "[unit][definition]")
{
    const auto d = good(noop_with(R"("job_id":"j","version":3,"enabled":false,"created_time":"2026-01-01T00:00:00Z","changed_time":"2026-01-01T00:00:00Z","author":"token:x","reason":"because","warnings":["w"],
        "tenant_id":"default","fingerprint":"ab")"));
    CHECK(to_text(d.document) == R"({"job_id":"j","handler":{"type":"noop"}})");
    CHECK(fields_of(noop_with(R"("enabled":"yes","version":"1","tenant_id":"A B","reason":5)")) == names{"enabled", "reason", "tenant_id", "version"});
}

TEST_CASE("the document is normalised, and reading it again changes nothing", "[unit][definition]")
{
    const auto d = good(R"({"tags":{"z":"1","a":"2"},"timeout_seconds":60.0,"handler":{"command":["x"],"type":"process","grace_seconds":2.50},"name":"N",
        "parameters":{"n":5.0,"m":5,"list":[1.5,null]},"resources":{"priority":7.0,"memory_mb":512,"cpu_cores":1.0,"resource_pool":"p"},"inputs":["a",{"name":"b"}],
        "retry_policy":{"multiplier":2.0,"max_retries":1},"idempotent":false,"stage":["ci"],"lifecycle":"canary","type":"validator","job_type":"INGESTION",
        "pipeline_modules":["ALPHA"],"outputs":[],"description":"","asset":"s","source_connector":"c","target_connector":"t"})");
    CHECK(to_text(d.document)
          == R"({"job_id":"j","name":"N","description":"","job_type":"INGESTION","type":"validator","lifecycle":"canary","stage":["ci"],"pipeline_modules":["ALPHA"],)"
             R"("tags":{"z":"1","a":"2"},"source_connector":"c","target_connector":"t","asset":"s","handler":{"type":"process","command":["x"],"grace_seconds":2.5},)"
             R"("parameters":{"n":5.0,"m":5,"list":[1.5,null]},"inputs":["a",{"name":"b"}],"outputs":[],)"
             R"("resources":{"cpu_cores":1,"memory_mb":512,"resource_pool":"p","priority":7},"retry_policy":{"max_attempts":2,"backoff_multiplier":2},)"
             R"("timeout_seconds":60,"idempotent":false})");
    CHECK(d.priority == 7);
    CHECK_FALSE(d.idempotent);
    CHECK(to_text(good(to_text(d.document)).document) == to_text(d.document));
}

TEST_CASE("data sets are known by their names, however they are written", "[unit][definition]")
{
    const auto made = good(noop_with(R"("inputs":["raw",{"name":"rates","namespace":"bank","uri":"s3://rates","description":"of the day"}],"outputs":["report"])"));
    CHECK(made.inputs == names{"raw", "rates"});
    CHECK(made.outputs == names{"report"});
    CHECK(to_text(made.document.at("inputs")) == R"(["raw",{"name":"rates","namespace":"bank","uri":"s3://rates","description":"of the day"}])");
    CHECK(good(noop_with(R"("inputs":[])")).inputs.empty());
    CHECK(fields_of(noop_with(R"("inputs":["a",{"name":"a"},"",7,{}],"outputs":"a")")) ==
          names{"inputs[1]", "inputs[2]", "inputs[3]", "inputs[4].name", "outputs"});
}

TEST_CASE("a validator is known as one", "[unit][definition]")
{
    CHECK(good(noop_with(R"("type":"validator")")).is_validator);
    for (const char* other : {R"("type":"tool")", R"("type":"test")", R"("type":"job")", R"("name":"validator")"}) CHECK_FALSE(good(noop_with(other)).is_validator);
}

TEST_CASE("the rules' flat priority and pool are kept under resources", "[unit][definition]")
{
    const auto d = good(noop_with(R"("priority":5,"resource_pool":"p")"));
    CHECK(d.priority == 5);
    CHECK(to_text(d.document.at("resources")) == R"({"resource_pool":"p","priority":5})");
    CHECK(fields_of(noop_with(R"("priority":5,"resources":{"priority":6})")) == names{"priority"});
    CHECK(good(noop_with(R"("priority":5,"resources":{"priority":5})")).priority == 5);
}

TEST_CASE("U+0000 is refused wherever it stands", "[unit][definition]")
{
    CHECK(fields_of(noop_with(R"("parameters":{"a":[{"b":"x\u0000y"}]},"name":"\u0000","tags":{"k\u0000":"v"})"))
          == names{"name", "parameters.a[0].b", R"(tags.k\u0000)"});
}

TEST_CASE("texts, lists and the whole are bounded", "[unit][definition]")
{
    const auto strings = [](std::size_t n) {
        std::string list = "[\"a\"";
        for (std::size_t i = 1; i < n; ++i) list += ",\"a\"";
        return list + "]";
    };
    CHECK(std::get<process_handler>(good(with_handler(R"({"type":"process","command":)" + strings(1000) + "}")).handler).command.size() == 1000);
    CHECK(fields_of(with_handler(R"({"type":"process","command":)" + strings(1001) + "}")) == names{"handler.command"});
    CHECK(fields_of(noop_with("\"description\":\"" + std::string(10'001, 'd') + "\"")) == names{"description"});
    CHECK(fields_of(noop_with("\"tags\":{\"" + std::string(257, 'k') + "\":\"v\"}")).size() == 1);
    CHECK(fields_of(noop_with("\"tags\":{\"k\":\"" + std::string(257, 'v') + "\"}")) == names{"tags.k"});
    std::string tags;
    for (int i = 0; i < 65; ++i) tags += (i ? ",\"" : "\"") + std::to_string(i) + "\":\"v\"";
    CHECK(fields_of(noop_with("\"tags\":{" + tags + "}")) == names{"tags"});
    CHECK(fields_of(noop_with("\"parameters\":{\"x\":\"" + std::string(1 << 20, 'p') + "\"}")) == names{""});
    std::string umlauts;
    for (int i = 0; i < 256; ++i) umlauts += "ü";
    CHECK(good(noop_with("\"name\":\"" + umlauts + "\"")).document.at("name").as_string().size() == 512);
}

TEST_CASE("a definition does not keep the memory of the request it came in", "[unit][definition]")
{
    json::monotonic_resource memory;
    const auto body = parse_json(R"({"handler":{"type":"http","url":"http://x/","body":{"a":[1]}},"parameters":{"p":{"q":"r"}},"name":"n","inputs":["i"]})", {}, &memory);
    REQUIRE(body.has_value());
    const auto d = parse_job_definition(body->as_object(), "j", {});
    REQUIRE(d.has_value());
    CHECK(d->document.storage().get() != &memory);
    CHECK(d->document.at("name").storage().get() != &memory);
    CHECK(d->document.at("inputs").as_array().at(0).storage().get() != &memory);
    CHECK(d->parameters.storage().get() != &memory);
    CHECK(d->parameters.at("p").storage().get() != &memory);
    CHECK(std::get<http_handler>(d->handler).body->storage().get() != &memory);
}
