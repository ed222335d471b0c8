//! From words to statements.

use super::Wrong;
use super::token::{Place, Token, tokens, wrong_at};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Number(f64),
    Text(String),
    Name(String),
    Call(String, Vec<Placed>),
    /// `object.Method(…)`
    Method(Box<Placed>, String, Vec<Placed>),
    /// `object.member`
    Member(Box<Placed>, String),
    Unary(&'static str, Box<Placed>),
    Binary(&'static str, Box<Placed>, Box<Placed>),
    Choice(Box<Placed>, Box<Placed>, Box<Placed>),
}

/// An expression and where it is; of an operator, a member or a method where that is.
pub(super) type Placed = (Expression, Place);

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statement {
    /// The variable that is set.
    pub(super) name: Option<String>,
    pub(super) place: Place,
    pub(super) value: Placed,
}

/// The most statements of a formula.
const MOST: usize = 100;

/// Binary operators, the loosest first.
const LEVELS: &[&[&str]] =
    &[&["||"], &["&&"], &["==", "!="], &["<", "<=", ">", ">="], &["+", "-"], &["*", "/"]];

struct Parser {
    tokens: Vec<(Token, Place)>,
    at: usize,
}

pub(super) fn parse(text: &str) -> Result<Vec<Statement>, Wrong> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    let mut statements = Vec::new();
    loop {
        while parser.take(";") {}
        let place = parser.place();
        if *parser.peek() == Token::End {
            return Ok(statements);
        }
        if statements.len() == MOST {
            return Err(wrong_at(place, "More than 100 statements"));
        }
        statements.push(parser.statement()?);
        if *parser.peek() != Token::End && !parser.take(";") {
            return Err(parser.unexpected());
        }
    }
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn place(&self) -> Place {
        self.tokens.get(self.at).or(self.tokens.last()).map_or((1, 1), |(_, place)| *place)
    }

    fn take(&mut self, mark: &str) -> bool {
        let there = matches!(self.peek(), Token::Mark(known) if *known == mark);
        self.at += usize::from(there);
        there
    }

    fn unexpected(&self) -> Wrong {
        let what = match self.peek() {
            Token::End => "Unexpected end of the formula".to_owned(),
            Token::Mark(mark) => format!("Unexpected token: {mark}"),
            Token::Name(name) => format!("Unexpected token: {name}"),
            Token::Number(number) => format!("Unexpected token: {number}"),
            Token::Text(text) => format!("Unexpected token: \"{text}\""),
        };
        wrong_at(self.place(), what)
    }

    fn expect(&mut self, mark: &str) -> Result<(), Wrong> {
        if self.take(mark) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn statement(&mut self) -> Result<Statement, Wrong> {
        let place = self.place();
        let assigns = matches!(self.tokens.get(self.at + 1), Some((Token::Mark("="), _)));
        if let (Token::Name(name), true) = (self.peek().clone(), assigns) {
            self.at += 2;
            return Ok(Statement { name: Some(name), place, value: self.expression()? });
        }
        Ok(Statement { name: None, place, value: self.expression()? })
    }

    fn expression(&mut self) -> Result<Placed, Wrong> {
        let test = self.binary(0)?;
        let place = self.place();
        if !self.take("?") {
            return Ok(test);
        }
        let yes = self.expression()?;
        self.expect(":")?;
        let no = self.expression()?;
        Ok((Expression::Choice(Box::new(test), Box::new(yes), Box::new(no)), place))
    }

    fn binary(&mut self, level: usize) -> Result<Placed, Wrong> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        loop {
            let place = self.place();
            let Some(operator) = operators.iter().find(|operator| self.take(operator)) else {
                return Ok(left);
            };
            let right = self.binary(level + 1)?;
            left = (Expression::Binary(operator, Box::new(left), Box::new(right)), place);
        }
    }

    fn unary(&mut self) -> Result<Placed, Wrong> {
        let place = self.place();
        for operator in ["-", "!"] {
            if self.take(operator) {
                return Ok((Expression::Unary(operator, Box::new(self.unary()?)), place));
            }
        }
        let mut value = self.primary()?;
        loop {
            let place = self.place();
            if !self.take(".") {
                return Ok(value);
            }
            let Token::Name(name) = self.peek().clone() else { return Err(self.unexpected()) };
            self.at += 1;
            let object = Box::new(value);
            let inner = if self.take("(") {
                Expression::Method(object, name, self.arguments()?)
            } else {
                Expression::Member(object, name)
            };
            value = (inner, place);
        }
    }

    fn primary(&mut self) -> Result<Placed, Wrong> {
        let place = self.place();
        let token = self.peek().clone();
        let value = match token {
            Token::Number(number) => Expression::Number(number),
            Token::Text(text) => Expression::Text(text),
            Token::Name(name) => {
                self.at += 1;
                if self.take("(") {
                    return Ok((Expression::Call(name, self.arguments()?), place));
                }
                return Ok((Expression::Name(name), place));
            }
            Token::Mark("(") => {
                self.at += 1;
                let inner = self.expression()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Mark(_) | Token::End => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok((value, place))
    }

    /// What stands behind an opening bracket.
    fn arguments(&mut self) -> Result<Vec<Placed>, Wrong> {
        let mut found = Vec::new();
        if self.take(")") {
            return Ok(found);
        }
        loop {
            found.push(self.expression()?);
            if self.take(")") {
                return Ok(found);
            }
            self.expect(",")?;
        }
    }
}
