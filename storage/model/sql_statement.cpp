#include "storage/model/sql_statement.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace rowlock {

namespace {

constexpr std::string_view parameters = "parameters";
constexpr std::array<std::string_view, 4> plain_names{"execution_id", "run_id", "job_id", "attempt_number"};
constexpr std::size_t quoted_characters = 100;

bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// What an identifier may hold; bytes beyond ASCII are letters to PostgreSQL.
bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$' || static_cast<unsigned char>(c) >= 0x80;
}

bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

std::string_view trimmed(std::string_view text)
{
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

error refusal(std::string why)
{
    return {errc::invalid_request, std::move(why)};
}

// A path below `parameters`: names between points, none of them empty.
bool is_path(std::string_view path)
{
    if (path.empty()) return true;
    if (path.front() != '.' || path.back() == '.' || path.find("..") != std::string_view::npos) return false;
    return std::none_of(path.begin(), path.end(), [](char c) { return is_space(c) || c == '{' || c == '}'; });
}

bool names_a_bind(std::string_view inner)
{
    if (inner.starts_with(parameters)) return is_path(inner.substr(parameters.size()));
    return std::find(plain_names.begin(), plain_names.end(), inner) != plain_names.end();
}

// Goes over a statement as PostgreSQL's own scanner does (with standard_conforming_strings on), as far as it has to know what is quoted.
class scanner {
public:
    explicit scanner(std::string_view text) : text_(text) {}

    result<sql_statement> scan()
    {
        while (at_ < text_.size() && why_.empty()) step();
        if (!why_.empty()) return refusal(std::move(why_));
        return std::move(made_);
    }

private:
    bool follows(std::string_view word) const { return text_.substr(at_).starts_with(word); }
    bool after_word() const { return at_ > 0 && is_word(text_[at_ - 1]); }

    void step()
    {
        const char c = text_[at_];
        if (c == '\'') return quoted(at_ + 1, is_escape_string() ? end_of_escape_string() : end_of(at_ + 1, "'"));
        if (c == '"') return quoted(at_ + 1, end_of(at_ + 1, "\""));
        if (c == '$' && !after_word()) return dollar();
        if (follows("--")) return copy_to(std::min(text_.find('\n', at_), text_.size()));
        if (follows("/*")) return comment();
        if (follows("{{")) return bind();
        copy_to(at_ + 1);
    }

    void copy_to(std::size_t end)
    {
        made_.text += text_.substr(at_, end - at_);
        at_ = end;
    }

    // E'...', where a backslash hides what follows it.
    bool is_escape_string() const
    {
        if (at_ == 0 || (text_[at_ - 1] != 'E' && text_[at_ - 1] != 'e')) return false;
        return at_ == 1 || !is_word(text_[at_ - 2]);
    }

    std::size_t end_of(std::size_t from, std::string_view closing) const
    {
        const auto found = text_.find(closing, from);
        return found == std::string_view::npos ? found : found + closing.size();
    }

    std::size_t end_of_escape_string() const
    {
        for (auto i = at_ + 1; i < text_.size(); ++i) {
            if (text_[i] == '\\') ++i;
            else if (text_[i] == '\'') return i + 1;
        }
        return std::string_view::npos;
    }

    // A doubled quote ends one string and begins the next, which comes to the same.
    void quoted(std::size_t inside, std::size_t end)
    {
        if (end == std::string_view::npos) {
            why_ = fmt::format("has a quote without an end, which begins with {}", text_.substr(at_, std::min<std::size_t>(quoted_characters, text_.size() - at_)));
            return;
        }
        const auto content = text_.substr(inside, end - inside);
        for (auto open = content.find("{{"); open != std::string_view::npos; open = content.find("{{", open + 1)) {
            const auto close = content.find("}}", open + 2);
            if (close == std::string_view::npos) break;
            const auto inner = trimmed(content.substr(open + 2, close - open - 2));
            if (!names_a_bind(inner)) continue;
            why_ = fmt::format("has {{{{ {} }}}} within quotes, where it would be text. It is a value by itself: write it without the quotes, and put texts together with ||", inner);
            return;
        }
        copy_to(end);
    }

    // $tag$ ... $tag$, or a parameter of the writer's own.
    void dollar()
    {
        auto end = at_ + 1;
        if (end < text_.size() && is_digit(text_[end])) {
            why_ = "has a parameter like $1, which has no value here; write {{ parameters.NAME }} in its place";
            return;
        }
        while (end < text_.size() && is_word(text_[end]) && text_[end] != '$') ++end;
        if (end >= text_.size() || text_[end] != '$') return copy_to(at_ + 1);
        const auto tag = text_.substr(at_, end + 1 - at_);
        quoted(end + 1, end_of(end + 1, tag));
    }

    // Comments may hold comments.
    void comment()
    {
        int depth = 0;
        for (auto i = at_; i + 1 < text_.size(); ++i) {
            const auto two = text_.substr(i, 2);
            if (two != "/*" && two != "*/") continue;
            depth += two == "/*" ? 1 : -1;
            ++i;
            if (depth == 0) return copy_to(i + 1);
        }
        why_ = "has a comment without an end";
    }

    void bind()
    {
        const auto close = text_.find("}}", at_);
        const auto inner = close == std::string_view::npos ? std::string_view() : trimmed(text_.substr(at_ + 2, close - at_ - 2));
        if (!names_a_bind(inner)) {
            const auto shown = text_.substr(at_, std::min(close == std::string_view::npos ? text_.size() : close + 2, at_ + quoted_characters) - at_);
            why_ = fmt::format("has {}, which names nothing that it may hold: {{{{ parameters.NAME }}}}, {{{{ execution_id }}}}, {{{{ run_id }}}}, {{{{ job_id }}}}, "
                               "{{{{ attempt_number }}}}",
                               shown);
            return;
        }
        if (made_.binds.size() == sql_statement::most_binds) {
            why_ = fmt::format("has more than {} templates; give one of them an array or an object, which is jsonb", sql_statement::most_binds);
            return;
        }
        made_.binds.emplace_back(inner);
        // What stands right before or behind must not grow into the number or the name.
        if (at_ > 0 && is_word(text_[at_ - 1])) made_.text += ' ';
        made_.text += fmt::format("${}", made_.binds.size());
        at_ = close + 2;
        if (at_ < text_.size() && is_word(text_[at_])) made_.text += ' ';
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::string why_;
    sql_statement made_;
};

}

result<sql_statement> read_sql_statement(std::string_view given)
{
    return scanner(given).scan();
}

}
