// Lets a browser use its passkeys on our pages: nothing here decides anything, and without it the pages work with passwords.
'use strict'
const problem = document.getElementById('passkey-problem')

async function ask(address, fields) {
  const answer = await fetch(address, { method: 'POST', body: new URLSearchParams(fields), redirect: 'error' })
  const said = await answer.json()
  if (!answer.ok) throw new Error(said.detail)
  return said.public_key
}

// What was made goes with the form that was on the page all along, so that what follows is what follows a form.
function offer(id, make) {
  const button = document.getElementById(id)
  if (!button || !window.PublicKeyCredential?.parseRequestOptionsFromJSON) return
  const { form } = button
  button.hidden = false
  button.addEventListener('click', async () => {
    button.disabled = true
    problem.hidden = true
    try {
      const passkey = Object.assign(document.createElement('input'), { type: 'hidden', name: 'passkey', value: JSON.stringify(await make(form)) })
      form.append(passkey)
      for (const field of form.querySelectorAll('[type=password]')) field.disabled = true
      form.submit()
    } catch (error) {
      problem.textContent = error.name === 'NotAllowedError' ? 'No passkey was used. Try once more.'
        : error.name === 'InvalidStateError' ? 'This device has a passkey of yours already.' : error.message
      problem.hidden = false
      button.disabled = false
    }
  })
}

offer('sign-in-with-passkey', async () => {
  const options = await ask('/identity/v1/passkey-logins/options', {})
  return (await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) })).toJSON()
})

offer('add-passkey', async form => {
  if (!form.reportValidity()) throw new Error('Fill in the form first.')
  const options = await ask('/identity/passkeys/options', { form_token: form.elements.form_token.value, password: form.elements.password?.value ?? '' })
  return (await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })).toJSON()
})
