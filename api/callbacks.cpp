#include "api/routes.hpp"
#include "api/signature.hpp"
#include "api/submission_body.hpp"
#include "runtime/execute/callback_board.hpp"
#include "runtime/execute/crash_point.hpp"
#include "storage/callback_store.hpp"
#include "storage/model/json_fields.hpp"

#include <array>
#include <fmt/format.h>

namespace rowlock::api {

namespace {

struct report {
    execution_status status = execution_status::running;
    std::optional<double> progress{};
    std::string reply{};                             // of an end: what the report says beside
};

// What is not named here becomes the outputs, as in the reply of an http job.
result<report> read_report(const boost::json::object& body, std::string_view text)
{
    constexpr std::array<std::string_view, 3> statuses{"RUNNING", "COMPLETED", "FAILED"};
    constexpr std::int64_t most_records = std::numeric_limits<std::int64_t>::max();
    field_errors errors;
    boost::json::object accepted;
    json_fields fields(body, "", errors, accepted);
    if (!fields.has("status")) fields.require("status");
    const auto status = fields.choice("status", statuses);
    report made;
    made.progress = fields.number("progress", 0, 1);
    fields.text("error_code", {1, 128});
    fields.text("error_message", {0, 10'000});
    fields.integer("records_processed", 0, most_records);
    fields.integer("records_failed", 0, most_records);
    fields.free_object("metrics");
    fields.free_object("outputs");
    refuse_nul(body, text, errors);
    if (!errors.empty()) return std::move(errors).take("The report");
    if (status == "RUNNING") return made;
    made.status = status == "COMPLETED" ? execution_status::completed : execution_status::failed;
    boost::json::object rest = body;
    rest.erase("status");
    rest.erase("progress");
    append_text(made.reply, rest);
    return made;
}

result<void> is_waiting(const storage::callback_key& key, const execution_id& id)
{
    if (!key.known) return not_found(fmt::format("There is no execution {}.", id.str()));
    if (key.ended) return error{errc::already_ended, fmt::format("The execution {} has ended; nothing is changed.", id.str())};
    if (!key.secret) return error{errc::not_waiting, fmt::format("The execution {} waits for no report.", id.str())};
    return {};
}

result<void> is_taken(storage::callback_verdict verdict, const execution_id& id)
{
    switch (verdict) {
    case storage::callback_verdict::taken: return {};
    case storage::callback_verdict::replayed: return error{errc::signature_reused, "This report was taken in before. Another one needs another timestamp or another body."};
    case storage::callback_verdict::reported: return error{errc::already_ended, fmt::format("The end of execution {} has been reported already.", id.str())};
    case storage::callback_verdict::ended: break;
    }
    return error{errc::already_ended, fmt::format("The execution {} has ended; nothing is changed.", id.str())};
}

}

// POST /v1/executions/{id}/complete: 202, 400, 401, 404, 409, 413, 415, 422. The signature is the authority; there is no token.
runtime::awaitable<response> complete_execution(request_context& rq)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto id = rq.id_of("id");
    if (!id) co_return rq.refuse(id.error());
    const auto message = read_signature(rq.rq.header("X-Rowlock-Signature").value_or(""), rq.rq.header("X-Rowlock-Timestamp").value_or(""));
    if (!message) co_return rq.refuse(message.error());
    auto& db = rq.app.instance.db();
    const auto key = co_await db.read([id = *id](storage::session& s) -> result<storage::callback_key> { return storage::find_callback_key(s, id); });
    if (!key) co_return rq.refuse(key.error());
    if (const auto waiting = is_waiting(*key, *id); !waiting) co_return rq.refuse(waiting.error());
    if (const auto right = check_signature(*message, rq.rq.body(), *key->secret, key->now); !right) co_return rq.refuse(right.error());

    const auto body = rq.body();
    if (!body) co_return rq.refuse(body.error());
    const auto made = read_report(**body, rq.rq.body());
    if (!made) co_return rq.refuse(made.error());
    const bool ends = made->status != execution_status::running;
    const auto verdict = co_await db.write([id = *id, signature = message->signature, made = *made](storage::session& s) -> result<storage::callback_verdict> {
        return storage::accept_callback(s, id, signature, made.status, made.progress, made.reply);
    });
    runtime::crash_point("callback.after_commit");
    if (!verdict) co_return rq.refuse(verdict.error());
    if (const auto taken = is_taken(*verdict, *id); !taken) co_return rq.refuse(taken.error());
    if (ends) rq.app.instance.callbacks().taken(*id);
    else rq.app.instance.callbacks().poke();
    auto answer = rq.reply(202);
    answer.body.append("{\"execution_id\":\"").append(id->str()).append("\",\"accepted\":true}");
    co_return answer;
}

}
