#include "runtime/execute/records.hpp"

#include "runtime/async/task_group.hpp"
#include "runtime/execute/crash_point.hpp"
#include "storage/failure_store.hpp"
#include "storage/model/json_text.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <openssl/sha.h>
#include <type_traits>
#include <vector>

namespace rowlock::runtime {

namespace {

std::string sha256(const std::string& bytes)
{
    std::string digest(SHA256_DIGEST_LENGTH, '\0');
    SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()));
    return digest;
}

constexpr int most_tries = 20;
constexpr std::chrono::milliseconds next_try{250};

// For records that the work does not depend on: while the database is away, they are tried again for a while; then they are lost, and what is
// wrong with the database is in the server's log.
template <class F>
awaitable<std::invoke_result_t<F&, storage::session&>> keep_trying(database& db, F what)
{
    for (int tries = 1;; ++tries) {
        auto answer = co_await db.read(what);
        if (answer || answer.error().code == errc::stopping || answer.error().code == errc::internal || tries >= most_tries) co_return answer;
        co_await sleep_until(steady_clock::now() + next_try);
    }
}

}

life_records records::for_attempt(const assignment& work, std::shared_ptr<bool> noted)
{
    const subject of{work.id, work.run_id, work.fence, work.owner, std::make_shared<log_place>(log_place{.known = work.fence.value <= 1})};
    life_records sinks;
    sinks.plain.log = [this, of](log_stream stream, std::string text) { return log(of, stream, std::move(text)); };
    sinks.plain.last_checkpoint = [this, of] { return last_checkpoint(of); };
    sinks.plain.record_artifact = [this, of](artifact made) { return artifact_made(of, std::move(made)); };
    // Only a node has to be known whole.
    sinks.plain.add_nodes = [this, node = work.in_plan ? std::make_shared<const assignment>(work) : nullptr](boost::json::array nodes) { return add_nodes(node, std::move(nodes)); };
    sinks.plain.heartbeat = [this, id = of.id, noted] {
        *noted = true;
        note(id, std::nullopt);
    };
    sinks.plain.progress = [this, id = of.id, noted](double progress) {
        *noted = true;
        note(id, progress);
    };
    sinks.checkpoint = [this, of](std::shared_ptr<const checkpoint_data> data) { return checkpoint(of, std::move(data)); };
    sinks.error = [this, of](error_category category, std::string code, std::string message, std::string details) {
        return error_row(of, category, std::move(code), std::move(message), std::move(details));
    };
    sinks.still_running = [this, of](std::string reason) { return still_running(of, std::move(reason)); };
    return sinks;
}

awaitable<void> records::log(subject of, log_stream stream, std::string text)
{
    if (!of.log_end->known) {
        const auto last = co_await keep_trying(db_, [id = of.id](storage::session& s) -> result<int> { return storage::last_log_part(s, id); });
        if (!last) co_return;
        // Another stream may have asked, too, and gone on.
        if (!std::exchange(of.log_end->known, true)) of.log_end->last = *last;
    }
    // To write the same part twice is harmless.
    co_await keep_trying(db_, [id = of.id, part = ++of.log_end->last, stream, text = std::move(text)](storage::session& s) -> result<void> {
        storage::append_log(s, id, part, static_cast<int>(stream), text);
        return {};
    });
}

awaitable<result<int>> records::checkpoint(subject of, std::shared_ptr<const checkpoint_data> data)
{
    auto digest = sha256(data->bytes);
    co_return co_await db_.write([id = of.id, run = of.run, data = std::move(data), digest = std::move(digest)](storage::session& s) -> result<int> {
        crash_point("checkpoint.before_commit");
        auto number = storage::save_checkpoint(s, id, run, data->stage, digest, data->bytes);
        crash_point("checkpoint.after_commit");
        return number;
    });
}

awaitable<result<std::optional<checkpoint_data>>> records::last_checkpoint(subject of)
{
    struct search {
        std::optional<storage::stored_checkpoint> good;
        std::vector<storage::damaged_checkpoint> damaged;
    };
    auto searched = co_await db_.read([run = of.run](storage::session& s) -> result<search> {
        // One that is not what was saved is passed over for the next older one.
        search found;
        for (std::optional<storage::checkpoint_place> before;;) {
            found.good = storage::last_checkpoint(s, run, before);
            if (!found.good || sha256(found.good->bytes) == found.good->sha256) return found;
            before = found.good->place;
            found.damaged.push_back({found.good->place.number, found.good->made_by});
        }
    });
    if (!searched) co_return searched.error();
    for (const auto& each : searched->damaged) co_await tell_damage(of, each, searched->good ? searched->good->place.number : 0);
    if (!searched->good) co_return std::optional<checkpoint_data>{};
    co_return std::optional(checkpoint_data{std::move(searched->good->bytes), std::move(searched->good->stage)});
}

awaitable<void> records::tell_damage(subject of, storage::damaged_checkpoint damaged, int used)
{
    const auto lost = used > 0 ? fmt::format("since checkpoint {}", used) : std::string("from the beginning");
    const auto goes_on = used > 0 ? fmt::format("the run goes on from checkpoint {}", used) : std::string("the run starts from the beginning");
    auto message = fmt::format("Checkpoint {} is damaged: its SHA-256 is not the one that was recorded; {}.", damaged.number, goes_on);
    spdlog::error("checkpoint {} of run {}, made by execution {}, is damaged: its SHA-256 is not the one that was recorded; {}", damaged.number, of.run.str(),
                  damaged.made_by.str(), goes_on);
    co_await log(of, log_stream::system, message + "\n");
    const boost::json::object details{{"execution_id", of.id.str()},       {"run_id", of.run.str()},           {"state_type", "CHECKPOINT"},
                                      {"corruption_type", "CHECKSUM_MISMATCH"}, {"recovery_attempted", true},  {"recovery_successful", used > 0},
                                      {"data_loss_scope", lost},           {"checkpoint_number", damaged.number}, {"made_by", damaged.made_by.str()}};
    co_await keep_trying(db_, [of, number = damaged.number, message = std::move(message), details = to_text(details)](storage::session& s) -> result<void> {
        if (storage::damage_is_known(s, of.run, number)) return {};
        storage::record_error(s, {storage::error_queue::execution, of.id, error_category::permanent, "STATE_CORRUPTION", message, details});
        return {};
    });
}

awaitable<result<void>> records::artifact_made(subject of, artifact made)
{
    co_return co_await db_.read([of, made = std::move(made)](storage::session& s) -> result<void> {
        crash_point("artifact.before_commit");
        auto recorded = storage::record_artifact(s, of.id, of.run, made.name, made.sha256, made.size_bytes);
        crash_point("artifact.after_commit");
        return recorded;
    });
}

awaitable<result<void>> records::add_nodes(std::shared_ptr<const assignment> node, boost::json::array nodes)
{
    if (!node) co_return error{errc::invalid_request, "the execution is no node of a plan run"};
    for (int tries = 1;; ++tries) {
        auto added = co_await add_nodes_(*node, nodes);
        const bool passes = !added && (added.error().code == errc::database_unavailable || added.error().code == errc::overloaded);
        if (!passes || tries >= most_tries) co_return added;
        co_await sleep_until(steady_clock::now() + next_try);
    }
}

awaitable<void> records::error_row(subject of, error_category category, std::string code, std::string message, std::string details)
{
    co_await keep_trying(db_, [row = storage::error_record{storage::error_queue::execution, of.id, category, std::move(code), std::move(message), std::move(details)}](storage::session& s) -> result<void> {
        storage::record_error(s, row);
        return {};
    });
}

awaitable<void> records::still_running(subject of, std::string reason)
{
    co_await keep_trying(db_, [of, reason = std::move(reason)](storage::session& s) -> result<void> {
        storage::record_still_running(s, of.id, of.owner, of.fence, reason);
        return {};
    });
}

void records::note(execution_id id, std::optional<double> progress)
{
    const std::lock_guard lock(mutex_);
    auto& kept = notes_[id];
    if (progress) kept = progress;
}

awaitable<void> records::run()
{
    while (co_await sleep_until(steady_clock::now() + std::chrono::seconds{1})) {
        std::vector<storage::live_note> notes;
        {
            const std::lock_guard lock(mutex_);
            for (const auto& [id, progress] : notes_) notes.push_back({id, progress});
            notes_.clear();
        }
        if (notes.empty()) continue;
        co_await db_.write([notes = std::move(notes)](storage::session& s) -> result<void> {
            storage::keep_notes(s, notes);
            return {};
        });
    }
}

}
