#include "runtime/handlers/process.hpp"

#include "runtime/handlers/child_environment.hpp"
#include "runtime/handlers/program.hpp"
#include "runtime/handlers/run_directory.hpp"
#include "runtime/handlers/stopped.hpp"
#include "runtime/handlers/template.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <boost/json/value.hpp>
#include <fcntl.h>
#include <fmt/format.h>

namespace rowlock::runtime {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

bool has_nul(std::string_view text)
{
    return text.find('\0') != std::string_view::npos;
}

attempted<std::vector<std::string>> filled_command(const process_handler& handler, const json::value& parameters)
{
    std::vector<std::string> words;
    for (const auto& word : handler.command) {
        auto filled = fill(word, parameters);
        if (!filled) return filled.error();
        if (has_nul(*filled)) return invalid_config("an argument holds the character U+0000, which no program can be given");
        words.push_back(std::move(*filled));
    }
    if (words.empty()) return invalid_config("the handler has no command");
    return words;
}

attempted<std::map<std::string, std::string>> filled_environment(const process_handler& handler, const json::value& parameters)
{
    std::map<std::string, std::string> out;
    for (const auto& [name, value] : handler.env) {
        if (name.empty() || has_nul(name) || name.find('=') != std::string::npos) return invalid_config(fmt::format("`{}` is no name of an environment variable", name));
        auto filled = fill(value, parameters);
        if (!filled) return filled.error();
        if (has_nul(*filled)) return invalid_config(fmt::format("the environment variable {} holds the character U+0000", name));
        out.emplace(name, std::move(*filled));
    }
    return out;
}

// The directory that relative names of programs are taken from: the definition's, or the one the server was started in, since a
// private one is empty.
fs::path base_directory(const process_handler& handler)
{
    std::error_code ec;
    const auto here = fs::current_path(ec);
    return handler.cwd.empty() ? here : (here / handler.cwd).lexically_normal();
}

std::chrono::seconds whole_seconds(milliseconds time)
{
    return std::max(std::chrono::ceil<std::chrono::seconds>(time), std::chrono::seconds{1});
}

}

process_runner::process_runner(io_executor executor, process_options options) : executor_(executor), options_(std::move(options)) {}

awaitable<outcome> process_runner::run(attempt& a, const process_handler& handler)
{
    if (!options_.enabled) co_return failed(find_program("", {}, {}, options_).error());
    if (a.stopped() != stop_reason::none) co_return stopped_outcome(a.stopped());
    auto directory = co_await make_attempt_directory(options_.run_root, a.work().id);
    if (!directory) co_return failed(directory.error());

    outcome o;
    std::exception_ptr broken;
    try {
        o = co_await run_in(a, handler, *directory);
    } catch (...) {
        broken = std::current_exception();
    }
    // The directory goes whatever has happened, so cancellation must not cut this short.
    namespace this_coro = boost::asio::this_coro;
    co_await this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    co_await remove_tree(directory->path);
    if (!std::exchange(swept_, true)) co_await remove_abandoned(options_.run_root);
    // As every coroutine starts: what comes after the process may be cancelled again.
    co_await this_coro::reset_cancellation_state(boost::asio::enable_terminal_cancellation());
    co_await this_coro::throw_if_cancelled(true);
    if (broken) std::rethrow_exception(broken);
    co_return o;
}

awaitable<outcome> process_runner::run_in(attempt& a, const process_handler& handler, const attempt_directory& directory)
{
    auto watch = co_await start(a, handler, directory);
    if (!watch) co_return failed(watch.error());
    process_attempt running(executor_, a, std::move(*watch));
    co_return co_await running.run();
}

awaitable<attempted<process_watch>> process_runner::start(attempt& a, const process_handler& handler, const attempt_directory& directory)
{
    const auto& work = a.work();
    const auto parsed = parse_json(work.parameters);
    if (!parsed) co_return invalid_config("the parameters of this execution are not JSON: " + parsed.error().detail);
    const auto& parameters = *parsed;

    auto command = filled_command(handler, parameters);
    if (!command) co_return command.error();
    const auto environment = filled_environment(handler, parameters);
    if (!environment) co_return environment.error();
    const auto program = find_program(command->front(), base_directory(handler), search_path(), options_);
    if (!program) co_return program.error();

    const auto run_directory = make_run_directory(options_.run_root, work.run_id);
    if (!run_directory) co_return run_directory.error();
    attempt_paths paths{.parameters_file = directory.parameters(), .checkpoint_file = {}, .run_directory = *run_directory};
    if (auto written = write_file(paths.parameters_file, work.parameters); !written) co_return written.error();
    if (a.may_resume()) {
        auto last = co_await a.records().last_checkpoint();
        if (!last) co_return failure{"STATE_CORRUPTION", "the run's last checkpoint could not be read: " + last.error().detail};
        if (*last) {
            paths.checkpoint_file = directory.checkpoint();
            if (auto written = write_file(paths.checkpoint_file, (*last)->bytes); !written) co_return written.error();
        }
    }

    // A file rather than a pipe: a program that never reads its input holds up nobody.
    auto in = raised(file_descriptor(::open(paths.parameters_file.c_str(), O_RDONLY | O_CLOEXEC)));
    if (!in) co_return in.error();
    auto out = make_pipe();
    if (!out) co_return out.error();
    auto err = make_pipe();
    if (!err) co_return err.error();
    auto protocol = make_pipe();
    if (!protocol) co_return protocol.error();

    launch what{.file = program->string(),
                .arguments = std::move(*command),
                .environment = child_environment(inherited_environment(), *environment, work, told_deadline(a.told_until()), paths),
                .directory = handler.cwd.empty() ? directory.work() : base_directory(handler),
                .in = std::move(*in),
                .out = std::move(out->write),
                .err = std::move(err->write),
                .protocol = std::move(protocol->write),
                .memory_bytes = handler.memory_limit_bytes,
                .open_files = options_.open_files};
    if (handler.cpu_limit) what.cpu = whole_seconds(*handler.cpu_limit);
    auto started = spawn(std::move(what));
    if (!started) co_return started.error();
    co_return process_watch{.program = std::move(*started),
                            .out = std::move(out->read),
                            .err = std::move(err->read),
                            .protocol = std::move(protocol->read),
                            .run_directory = *run_directory,
                            .output_limit = handler.output_limit_bytes,
                            .grace = handler.grace.value_or(options_.grace),
                            .cpu_limited = handler.cpu_limit.has_value()};
}

std::optional<std::string> why_not_allowed(const process_options& options, const process_handler& handler)
{
    if (handler.command.empty() || handler.command.front().find("{{") != std::string::npos) return std::nullopt;
    const auto found = find_program(handler.command.front(), base_directory(handler), search_path(), options);
    if (found || found.error().code != "PERMISSION_DENIED") return std::nullopt;
    return found.error().message;
}

}
