#include "ops/logging.hpp"

#include "runtime/observe/event_log.hpp"
#include "storage/model/json_text.hpp"
#include "storage/model/time.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

namespace rowlock::ops {

namespace {

timestamp time_of(const spdlog::details::log_msg& message)
{
    return std::chrono::floor<std::chrono::microseconds>(message.time);
}

std::string_view text_of(const spdlog::details::log_msg& message)
{
    return {message.payload.data(), message.payload.size()};
}

std::string_view level_of(const spdlog::details::log_msg& message)
{
    const auto name = spdlog::level::to_string_view(message.level);
    return {name.data(), name.size()};
}

class json_lines final : public spdlog::formatter {
public:
    void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override
    {
        std::string line = "{\"time\":\"" + to_rfc3339(time_of(message)) + "\",\"level\":\"";
        line += level_of(message);
        line += "\",";
        const auto text = text_of(message);
        if (!text.empty() && text.front() == runtime::event::mark) {
            line += text.substr(1);
        } else {
            line += "\"message\":";
            append_string(line, text);
        }
        line += "}\n";
        out.append(line.data(), line.data() + line.size());
    }
    std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<json_lines>(); }
};

class text_lines final : public spdlog::formatter {
public:
    void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override
    {
        auto text = text_of(message);
        if (!text.empty() && text.front() == runtime::event::mark) text.remove_prefix(1);
        std::string line = to_rfc3339(time_of(message));
        line += ' ';
        line += level_of(message);
        line += ' ';
        line += text;
        line += '\n';
        out.append(line.data(), line.data() + line.size());
    }
    std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<text_lines>(); }
};

spdlog::level::level_enum threshold(log_level level)
{
    switch (level) {
    case log_level::trace: return spdlog::level::trace;
    case log_level::debug: return spdlog::level::debug;
    case log_level::info: return spdlog::level::info;
    case log_level::warn: return spdlog::level::warn;
    case log_level::error: return spdlog::level::err;
    }
    return spdlog::level::info;
}

}

void set_up_logging(log_level level, log_format format)
{
    const bool json = format == log_format::json || (format == log_format::automatic && isatty(STDERR_FILENO) == 0);
    auto logger = std::make_shared<spdlog::logger>("rowlock", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    if (json) {
        logger->set_formatter(std::make_unique<json_lines>());
    } else {
        logger->set_formatter(std::make_unique<text_lines>());
    }
    logger->set_level(threshold(level));
    logger->flush_on(spdlog::level::trace);
    spdlog::set_default_logger(std::move(logger));
}

}
