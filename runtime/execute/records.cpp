#include "runtime/execute/records.hpp"

#include "runtime/async/task_group.hpp"
#include "storage/record_store.hpp"

#include <openssl/sha.h>

namespace rowlock::runtime {

namespace {

std::string sha256(const std::string& bytes)
{
    std::string digest(SHA256_DIGEST_LENGTH, '\0');
    SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()));
    return digest;
}

}

attempt_records records::for_attempt(const assignment& work, std::shared_ptr<bool> noted)
{
    const execution_id id = work.id;
    const execution_id run = work.run_id;
    attempt_records sinks;
    sinks.log = [this, id, parts = std::make_shared<int>(0)](log_stream stream, std::string text) { return log(id, parts, stream, std::move(text)); };
    sinks.checkpoint = [this, id, run](checkpoint_data data) { return checkpoint(id, run, std::move(data)); };
    sinks.last_checkpoint = [this, run] { return last_checkpoint(run); };
    sinks.record_artifact = [this, id, run](artifact made) { return artifact_made(id, run, std::move(made)); };
    sinks.heartbeat = [this, id, noted] {
        *noted = true;
        note(id, std::nullopt);
    };
    sinks.progress = [this, id, noted](double progress) {
        *noted = true;
        note(id, progress);
    };
    return sinks;
}

awaitable<void> records::log(execution_id id, std::shared_ptr<int> parts, log_stream stream, std::string text)
{
    const int part = ++*parts;
    auto write = [id, part, stream, text = std::move(text)](storage::session& s) -> result<void> {
        storage::append_log(s, id, part, static_cast<int>(stream), text);
        return {};
    };
    // To write the same part twice is harmless, so it is tried again.
    for (int tries = 0; tries < 20; ++tries) {
        const auto written = co_await db_.read(write);
        if (written || written.error().code == errc::stopping || written.error().code == errc::internal) co_return;
        co_await sleep_until(steady_clock::now() + std::chrono::milliseconds{250});
    }
}

awaitable<result<int>> records::checkpoint(execution_id id, execution_id run, checkpoint_data data)
{
    auto digest = sha256(data.bytes);
    co_return co_await db_.write([id, run, data = std::move(data), digest = std::move(digest)](storage::session& s) -> result<int> {
        return storage::save_checkpoint(s, id, run, data.stage, digest, data.bytes);
    });
}

awaitable<result<std::optional<checkpoint_data>>> records::last_checkpoint(execution_id run)
{
    co_return co_await db_.read([run](storage::session& s) -> result<std::optional<checkpoint_data>> {
        // One that is not what was saved is passed over for the next older one.
        for (int before = 0;;) {
            auto found = storage::last_checkpoint(s, run, before);
            if (!found) return std::optional<checkpoint_data>{};
            if (sha256(found->bytes) == found->sha256) return std::optional(checkpoint_data{std::move(found->bytes), std::move(found->stage)});
            spdlog::error("checkpoint {} of run {} is damaged and is not used", found->number, run.str());
            before = found->number;
        }
    });
}

awaitable<result<void>> records::artifact_made(execution_id id, execution_id run, artifact made)
{
    co_return co_await db_.read([id, run, made = std::move(made)](storage::session& s) -> result<void> {
        return storage::record_artifact(s, id, run, made.name, made.sha256, made.size_bytes);
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
